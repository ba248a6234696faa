"""PostgreSQL and Valkey for a machine that has neither: both real, both under DATA_DIR.

`database_url` and `redis_url` give the URL of a running service and start it when nobody has yet.
A service runs below a keeper (service_process.py), which stops it when its last user is gone. Who
uses it is known by kernel locks, never by lists of process ids, so that a crash at any point leaves
nothing to clean:

    users    every user holds a shared lock; a keeper that gets the exclusive one is alone
    keeper   the keeper holds it as long as it lives, so that there is only one; the supervisor
             starts another where it was killed (`Watch`), at the same address
    url      how to reach the service; true only while it answers
"""

from __future__ import annotations

import atexit
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from operations.embedded import service_process

NAMED_BY = {"postgres": "DATABASE_URL", "valkey": "REDIS_URL"}
"""The variable that names each service where it is not embedded."""

_START_SECONDS = 60.0
_POLL_SECONDS = 0.1


class EmbeddedServiceError(Exception):
    """An embedded service does not start; the message names its log."""


class Watch:
    """Sees to it that the services this process has joined come back, whatever was killed.

    A server that ends is its keeper's to bring back; a keeper takes its server along, and there is
    nobody else to start another.
    """

    def __init__(self, data_dir: Path, variables: Collection[str]) -> None:
        self._folders = [data_dir / name for name, of in NAMED_BY.items() if of in variables]
        self._seen = {folder: _published(folder) for folder in self._folders}
        self._started: dict[Path, subprocess.Popen[bytes]] = {}

    def tend(self) -> Iterator[str]:
        """Start the keepers that are gone; a sentence for whatever changed since the last time."""
        for folder in self._folders:
            begun = self._started.get(folder)
            if not _is_kept(folder) and (begun is None or begun.poll() is not None):
                self._started[folder] = _start_keeper(folder.name, folder)
                yield f"{folder.name} ended with its keeper; starting both again"
            if (published := _published(folder)) != self._seen[folder]:
                self._seen[folder] = published
                yield f"{folder.name} " + (
                    "was started again and answers" if published else "ended; starting it again"
                )


def database_url(data_dir: Path) -> str:
    """The URL of the embedded PostgreSQL; it stays up at least as long as this process."""
    return _join("postgres", data_dir / "postgres")


def redis_url(data_dir: Path) -> str:
    """The URL of the embedded Valkey; it stays up at least as long as this process."""
    return _join("valkey", data_dir / "valkey")


def _join(name: str, folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    place = (folder / "users").open("a")
    fcntl.flock(place, fcntl.LOCK_SH)  # waits for a keeper that is just stopping the service
    started: subprocess.Popen[bytes] | None = None
    deadline = time.monotonic() + _START_SECONDS
    while (url := _answering(name, folder)) is None:
        if (started and started.poll()) or time.monotonic() > deadline:
            raise EmbeddedServiceError(f"{name} does not start; its log is {folder / 'log'}.")
        if not (started and started.poll() is None) and not _is_kept(folder):
            started = _start_keeper(name, folder)
        time.sleep(_POLL_SECONDS)
    atexit.register(_leave, folder, place, started, os.getpid())
    return url


def _leave(
    folder: Path, place: IO[str], started: subprocess.Popen[bytes] | None, owner: int
) -> None:
    """Give the place up; the last user waits until the service and its keeper are gone."""
    if os.getpid() != owner:
        return  # a forked child inherits the exit hook, not the place
    last = service_process.try_lock(place)
    place.close()
    if last:
        with (folder / "keeper").open("a") as its_lock:
            fcntl.flock(its_lock, fcntl.LOCK_EX)
        if started:
            started.wait()


def _start_keeper(name: str, folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-I", service_process.__file__, name, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _answering(name: str, folder: Path) -> str | None:
    with suppress(FileNotFoundError):
        url = (folder / "url").read_text()
        return url if _is_kept(folder) and service_process.ANSWERS[name](url) else None
    return None


def _published(folder: Path) -> int | None:
    """When the service began to answer at its address, in nanoseconds; None while it is down."""
    with suppress(FileNotFoundError):
        return (folder / "url").stat().st_mtime_ns
    return None


def _is_kept(folder: Path) -> bool:
    with (folder / "keeper").open("a") as file:
        return not service_process.try_lock(file)
