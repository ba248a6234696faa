"""Who labels: groups, agreement, topics they decline, and their erasure."""
