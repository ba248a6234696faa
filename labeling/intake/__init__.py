"""How texts come in: read, cleaned, checked for personal data and duplicates, stored."""
