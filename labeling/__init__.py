"""What humans said: prompts, tasks, demonstrations and rankings."""
