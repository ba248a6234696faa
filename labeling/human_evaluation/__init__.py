"""Evaluations by labelers: opened, closed, and what they say."""
