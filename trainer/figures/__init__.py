"""Figures as data, as SVG, and as TensorBoard's event files. No database."""
