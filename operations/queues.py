"""The queues of the workers, and which of them nobody serves."""

from __future__ import annotations

from models_service import worker_heartbeats

QUEUES = ("default", "sampling", "training")


def unserved_queues() -> list[str]:
    """The queues of which no worker has been heard for ten seconds."""
    return worker_heartbeats.unserved(QUEUES)


def beat_is_silent() -> bool:
    """Whether beat has not been heard for thirty seconds."""
    return worker_heartbeats.beat_is_silent()


def forget_workers() -> None:
    """Take every queue as unserved, and beat as silent, until they are heard again."""
    worker_heartbeats.forget_served(QUEUES)
