"""Which process holds which models, and in how much memory, as each tells it after it sampled.

Kept in Redis, one field a process, so that the console can show every worker on every machine.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass

import redis
from django.conf import settings

_KEY = "tutelage:presence"
_FORGOTTEN_SECONDS = 3600


@dataclass(frozen=True)
class Presence:
    """A process that samples.

    `models` are checkpoints, the last used first; `peak_mib` is the most memory it has had, in
    MiB; `at` is when it last spoke, in seconds since 1970.
    """

    process: str
    models: Sequence[str]
    peak_mib: int
    at: float


def tell(models: Sequence[str]) -> None:
    """Say what this process holds now."""
    process = f"{socket.gethostname()}:{os.getpid()}"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # KiB on Linux
    own = Presence(process, list(models), peak, time.time())
    # Sampling goes on when the broker is away for a moment.
    with suppress(redis.RedisError), _broker() as broker:
        broker.hset(_KEY, process, json.dumps(asdict(own)))


def present() -> list[Presence]:
    """Processes that sampled in the last hour, the last to speak first; older ones are dropped."""
    with _broker() as broker:
        told = [Presence(**json.loads(value)) for value in broker.hvals(_KEY)]
        gone = [one.process for one in told if time.time() - one.at > _FORGOTTEN_SECONDS]
        if gone:
            broker.hdel(_KEY, *gone)
    return sorted((one for one in told if one.process not in gone), key=lambda one: -one.at)


def _broker() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, decode_responses=True)
