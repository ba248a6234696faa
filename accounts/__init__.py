"""Who someone is, and what each role may do."""
