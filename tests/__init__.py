"""Tests of Tutelage; the folders mirror the tree."""
