"""The Celery app: three queues and what beat starts by itself.

`default` does short things, `sampling` asks models for completions, `training` runs one stage of a
round at a time. A message may be delivered twice (Redis forgets an unacknowledged one after its
visibility timeout), so every task claims its work in the database before it does any.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from celery import Celery
from celery.signals import (
    beat_init,
    before_task_publish,
    heartbeat_sent,
    worker_process_init,
    worker_ready,
    worker_shutting_down,
)
from kombu import Queue

from config import services
from core import stopping
from models_service import worker_heartbeats
from operations.queues import QUEUES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


app = Celery("tutelage")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.task_queues = [Queue(name) for name in QUEUES]
app.conf.task_routes = {
    "labeling.tasks.sample_*": {"queue": "sampling"},
    "models_service.tasks.*": {"queue": "sampling"},
    "trainer.tasks.measure": {"queue": "sampling"},
    "trainer.tasks.check_model": {"queue": "sampling"},
    "trainer.tasks.execute_run": {"queue": "training"},
    "trainer.tasks.measure_uncertainty": {"queue": "training"},
}
app.conf.beat_schedule = {
    "refill-queues": {"task": "labeling.tasks.refill_queues", "schedule": 10.0},
    "expire-leases": {"task": "labeling.tasks.expire_leases", "schedule": 30.0},
    "advance-rounds": {"task": "trainer.tasks.advance_rounds", "schedule": 5.0},
    "revive-runs": {"task": "trainer.tasks.revive_runs", "schedule": 15.0},
    "start-scheduled": {"task": "trainer.tasks.start_scheduled", "schedule": 30.0},
    "tend-exports": {"task": "trainer.tasks.tend_exports", "schedule": 60.0},
    "tend-evaluations": {"task": "trainer.tasks.tend_evaluations", "schedule": 30.0},
    "tend-imports": {"task": "labeling.tasks.tend_imports", "schedule": 60.0},
    "clear-disk": {"task": "trainer.tasks.clear_disk", "schedule": 3600.0},
}
app.autodiscover_tasks()


@app.on_configure.connect
def join_services(**_: object) -> None:
    """A worker and beat begin by reading the settings, and by then the broker has to be there."""
    services.join()


_pool_processes: Callable[[], Iterable[int]] = tuple


@worker_ready.connect
def remember_pool(sender: Any, **_: object) -> None:
    """The processes that do the work are asked after at every heartbeat."""
    global _pool_processes
    _pool_processes = partial(_processes_of, sender.pool)


@heartbeat_sent.connect
def report_alive(**_: object) -> None:
    """A worker says every two seconds which queues it serves, unless its pool hangs: its main
    process would go on for ever to take messages that nobody works on."""
    if not any(map(_is_stopped, _pool_processes())):
        worker_heartbeats.tell_served(app.amqp.queues.consume_from)


def _processes_of(pool: Any) -> Iterable[int]:
    found: Iterable[int] = ()
    with suppress(AttributeError):  # a pool that is being stopped has no processes to ask for
        found = pool.info.get("processes", ())
    return found


def _is_stopped(pid: int) -> bool:
    """Whether a process is there and does not run: stopped, or dead and not yet collected."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False  # gone: the pool starts another; or no such file on this system
    return state in "TtZX"


@beat_init.connect
def report_beat(**_: object) -> None:
    """Beat says with everything it sends that it is there."""
    before_task_publish.connect(_tell_beat)


def _tell_beat(**_: object) -> None:
    worker_heartbeats.tell_beat()


@worker_shutting_down.connect
def release_jobs(**_: object) -> None:
    """A warm shutdown waits for the task in hand, which saves its state and releases its job."""
    stopping.stop()


@worker_process_init.connect
def outlive_sigterm(**_: object) -> None:
    """Who stops a service may tell all its processes at once, not the first one alone."""
    stopping.stop_on_sigterm()
