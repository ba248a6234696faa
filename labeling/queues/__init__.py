"""What is asked next: queues, mixtures of versions, sampling, open slots."""
