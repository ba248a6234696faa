"""Which models exist, and what they say."""
