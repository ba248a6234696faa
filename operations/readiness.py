"""Whether this installation can work: database, broker, beat and a worker for every queue.

Asked every few seconds, also while things hang: each check has a thread of its own and a deadline
for all of them, and while one hangs no second one is begun.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait

import redis
from django.conf import settings
from django.db import connection

from operations.queues import beat_is_silent, unserved_queues

DEADLINE_SECONDS = 2.5
_OK = "ok"

_hanging: dict[str, Future[str]] = {}
_lock = threading.Lock()


def report() -> dict[str, str]:
    """What each check found, "ok" or what is wrong; never later than after `DEADLINE_SECONDS`."""
    checks = {"database": _database, "broker": _broker, "beat": _beat, "workers": _workers}
    began = {name: _begun(name, check) for name, check in checks.items()}
    wait(began.values(), timeout=DEADLINE_SECONDS)
    return {
        name: found.result() if found.done() else f"no answer within {DEADLINE_SECONDS} seconds"
        for name, found in began.items()
    }


def is_ready(found: Mapping[str, str]) -> bool:
    """Whether every check of a report is well."""
    return all(outcome == _OK for outcome in found.values())


def _begun(name: str, check: Callable[[], None]) -> Future[str]:
    with _lock:
        under_way = _hanging.get(name)
        if under_way is None or under_way.done():
            under_way = _hanging[name] = Future()
            thread = threading.Thread(target=_run, args=(check, under_way), daemon=True)
            thread.start()
        return under_way


def _run(check: Callable[[], None], told: Future[str]) -> None:
    try:
        check()
    except Exception as error:  # a probe reports every failure, whatever its kind
        told.set_result(f"{type(error).__name__}: {error}")
    else:
        told.set_result(_OK)
    finally:
        connection.close()  # this thread's own


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_is_in_recovery()")
        [recovers] = cursor.fetchone()
    if recovers:
        raise RuntimeError("the database is recovering and takes no writes")


def _broker() -> None:
    with redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1
    ) as broker:
        # A broker that cannot write its file answers a ping and refuses every message.
        broker.set("tutelage:written", int(time.time()), ex=60)


def _beat() -> None:
    if beat_is_silent():
        raise RuntimeError("beat has not been heard for thirty seconds: nothing starts by itself")


def _workers() -> None:
    if missing := unserved_queues():
        raise RuntimeError(f"no worker serves {', '.join(missing)}")
