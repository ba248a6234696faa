"""The API of accounts: one's own tokens."""
