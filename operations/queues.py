"""The queues of the workers, and which of them nobody serves."""

from __future__ import annotations

from models_service import presence

QUEUES = ("default", "sampling", "training")


def unserved_queues() -> list[str]:
    """The queues of which no worker has been heard for ten seconds."""
    return presence.unserved(QUEUES)


def forget_workers() -> None:
    """Take every queue as unserved until a worker is heard again."""
    presence.forget_served(QUEUES)
