"""What every app stands on, without tables of its own and without knowing any app."""
