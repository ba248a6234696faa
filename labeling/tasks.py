"""What the workers do for labeling. Each may be delivered twice; the services claim their work."""

from __future__ import annotations

from math import ceil

from celery import shared_task

from labeling.services import leases, queues, sampling

# The next refill asks again, so a message that waited longer is not needed.
_STALE_SECONDS = 30


@shared_task(name="labeling.tasks.refill_queues")
def refill_queues() -> None:
    """Top up the queues and ask the sampling workers for what waits."""
    waiting = queues.refill()
    for _ in range(ceil(len(waiting) / sampling.BATCH)):
        sample_waiting.apply_async(expires=_STALE_SECONDS)


@shared_task(name="labeling.tasks.sample_waiting")
def sample_waiting() -> None:
    """Sample one batch of waiting tasks."""
    sampling.sample_waiting()


@shared_task(name="labeling.tasks.expire_leases")
def expire_leases() -> None:
    """Free the slots whose lease ran out."""
    leases.expire_leases()
