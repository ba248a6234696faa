"""What the workers do for labeling. Each may be delivered twice; the services claim their work."""

from __future__ import annotations

from math import ceil

from celery import shared_task

from labeling.intake import clients, imports, uploads
from labeling.queues import queues, sampling
from labeling.work import leases

# The next refill asks again, so a message that waited longer is not needed.
_STALE_SECONDS = 30
# After so long a check of a file makes room for others and goes on later.
_SLICE_SECONDS = 20


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


@shared_task(name="labeling.tasks.check_import")
def check_import(import_id: int) -> None:
    """Check a file's rows for a while; the rest in a message of its own."""
    if imports.check(import_id, seconds=_SLICE_SECONDS):
        check_import.delay(import_id)


@shared_task(name="labeling.tasks.store_import")
def store_import(import_id: int) -> None:
    """Store what somebody accepted. Delivered twice, it is stored once."""
    if not imports.store(import_id) and imports.STORES.waits(import_id):
        store_import.delay(import_id)


@shared_task(name="labeling.tasks.tend_imports")
def tend_imports() -> None:
    """Send again the messages of imports that nobody works on; end and forget what is old."""
    uploads.clean_old()
    clients.forget_old()
    lost = imports.abandoned()
    for import_id in lost["check"]:
        check_import.delay(import_id)
    for import_id in lost["store"]:
        store_import.delay(import_id)
