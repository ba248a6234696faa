"""Whether anybody works on rounds: what is to be said, and started, where nobody does."""

from __future__ import annotations

from dataclasses import dataclass

import redis

from core.jobs import silent_since
from models_service import worker_heartbeats
from trainer.models import TrainingRun

QUEUES = ("default", "training")
_START = "celery --app config worker --concurrency 1 --queues"


@dataclass(frozen=True)
class Absence:
    """What nobody does, and the command that starts who would."""

    text: str
    command: str = ""


def absence() -> Absence | None:
    """Why no round can go on now; None where a worker trains, or those that are needed listen.

    A worker may be too busy training to say that it listens; its run's heartbeat tells of it.
    """
    running = TrainingRun.objects.filter(state=TrainingRun.State.RUNNING)
    if running.filter(heartbeat_at__gte=silent_since()).exists():
        return None
    try:
        missing = worker_heartbeats.unserved(QUEUES)
    except redis.RedisError:
        return Absence("The broker does not answer, so no worker hears of a round.")
    if not missing:
        return None
    names = " and ".join(missing)
    queues = f"the queues {names}" if len(missing) > 1 else f"the queue {names}"
    return Absence(
        f"No worker serves {queues}, so rounds wait. “make run” and “docker compose up” start "
        "every worker; a single one is started with this command:",
        f"{_START} {','.join(missing)}",
    )
