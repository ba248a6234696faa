"""Which worker is there: the queues that are served, and which process holds which models.

Kept in Redis, so that the console can tell of every worker on every machine. A worker says every
two seconds which queues it serves, and after it sampled what it holds, in how much memory.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass

import redis
from django.conf import settings

_KEY = "tutelage:presence"
_FORGOTTEN_SECONDS = 3600
_ALIVE_SECONDS = 10
_BEAT_KEY = "tutelage:beat"
_BEAT_SECONDS = 30  # something is due every five seconds


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


def tell_served(queues: Iterable[str]) -> None:
    """Say that a worker serves these queues now."""
    # It says so again two seconds later.
    with suppress(redis.RedisError), _broker() as broker:
        for queue in queues:
            broker.set(_alive_key(queue), 1, ex=_ALIVE_SECONDS)


def unserved(queues: Sequence[str]) -> list[str]:
    """Those of the queues of which no worker has been heard for ten seconds. Raises RedisError."""
    with _broker() as broker:
        heard = broker.mget([_alive_key(queue) for queue in queues])
    return [queue for queue, sign in zip(queues, heard, strict=True) if not sign]


def tell_beat() -> None:
    """Say that beat sends what is due."""
    with suppress(redis.RedisError), _broker() as broker:
        broker.set(_BEAT_KEY, 1, ex=_BEAT_SECONDS)


def beat_is_silent() -> bool:
    """Whether beat has not been heard for thirty seconds. Raises RedisError."""
    with _broker() as broker:
        return not broker.exists(_BEAT_KEY)


def forget_served(queues: Iterable[str]) -> None:
    """Take the queues as unserved, and beat as silent, until they are heard again."""
    with _broker() as broker:
        broker.delete(_BEAT_KEY, *map(_alive_key, queues))


def _alive_key(queue: str) -> str:
    return f"tutelage:alive:{queue}"


def _broker() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2, decode_responses=True
    )
