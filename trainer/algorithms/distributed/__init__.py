"""Training in several processes: the group, its sharded weights, and a stage as a job for it."""
