"""One round from its recipe to its promotion: what it needs, its start, each step."""
