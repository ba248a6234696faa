"""Every trick for a processor: the same numbers, sooner."""
