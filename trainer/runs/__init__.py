"""One run: executed by a worker, reported, watched, taken up again."""
