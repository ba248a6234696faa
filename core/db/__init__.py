"""How the database is spoken to: prepared statements, connections, many values."""
