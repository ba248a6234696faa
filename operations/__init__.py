"""Running an installation: its services, its processes, its backup, its health."""
