"""What did we learn? Snapshots, rounds, runs, evaluations and the algorithms themselves."""
