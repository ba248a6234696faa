"""A real Celery worker on the tests' own database and broker."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings


@contextmanager
def celery_worker(queues: str, *options: str) -> Iterator[None]:
    """Serve the queues (separated by commas) for as long as the block lasts."""
    worker = start_worker(queues, "--pool", "solo", *options, REMAP_SIGTERM="SIGQUIT")
    try:
        yield
    finally:
        worker.terminate()
        worker.wait()


def start_worker(queues: str, *options: str, **environment: str) -> subprocess.Popen[bytes]:
    """A worker of the queues, for whoever ends it."""
    url = urlsplit(os.environ["DATABASE_URL"])
    database = urlunsplit(url._replace(path="/" + settings.DATABASES["default"]["NAME"]))
    command = f"-m celery --app config worker --queues {queues} --loglevel WARNING"
    return subprocess.Popen(
        [sys.executable, *command.split(), "--without-gossip", "--without-mingle", *options],
        env={
            **os.environ,
            "DATABASE_URL": database,
            "ALLOWED_PRIVATE_NETWORKS": "127.0.0.0/8",
            **environment,
        },
    )


def beat(folder: Path) -> tuple[str, ...]:
    """Options that let the worker start by itself what beat starts."""
    return ("--beat", "--schedule", str(folder / "schedule"))
