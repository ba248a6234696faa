"""PostgreSQL and Valkey for a machine that has neither."""
