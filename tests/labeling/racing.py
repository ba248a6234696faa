"""Doing things in threads, each with a connection of its own that is closed afterwards."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

from django.db import connection

T = TypeVar("T")


def apart(act: Callable[[], T]) -> T:
    """What `act` returns; called in a thread."""
    try:
        return act()
    finally:
        connection.close()


def at_once(*acts: Callable[[], T]) -> list[T]:
    """What each returns when all begin together."""
    barrier = Barrier(len(acts))

    def run(act: Callable[[], T]) -> T:
        barrier.wait()
        return apart(act)

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))
