"""What every app stands on, without tables of its own: errors, states, commands, database."""

__version__ = "0.2.0.dev0"
"""Of the whole product: pyproject.toml reads it, and pages, probes and what is exported show it."""
