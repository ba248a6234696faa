"""Every write of this app, one module a noun."""
