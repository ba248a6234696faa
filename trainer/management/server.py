"""An installation of one's own for as long as a command runs: `manage.py up` as a child."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError

_START_SECONDS = 300.0
_STOP_SECONDS = 30.0


@contextmanager
def own_server(environment: Mapping[str, str]) -> Iterator[str]:
    """Start web server, workers and beat on a free port and yield the address; stop them after.

    What they say goes to a log file. Raises CommandError with its end when they do not start.
    """
    with tempfile.TemporaryDirectory() as folder:
        ready, log = Path(folder) / "ready", Path(settings.DATA_DIR) / "loop.log"
        command = [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), "up", "--port", "0"]
        with log.open("wb") as output:
            child = subprocess.Popen(
                [*command, "--ready-file", str(ready)],
                env={**os.environ, **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        try:
            yield _address(child, ready, log)
        finally:
            child.terminate()
            child.wait(_STOP_SECONDS)


def _address(child: subprocess.Popen[bytes], ready: Path, log: Path) -> str:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and child.poll() is None:
        if ready.exists() and (address := ready.read_text()):
            return address
        time.sleep(0.2)
    last = log.read_text(errors="replace")[-2000:]
    raise CommandError(f"The server did not start. The end of {log}:\n{last}")
