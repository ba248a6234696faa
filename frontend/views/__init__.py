"""The pages, one module a room: account, home, work, guidelines."""
