"""A whole installation as `manage.py up` runs it, in a folder of its own under var/."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from environment import ROOT

READY_SECONDS = 240.0


@contextmanager
def installation(name: str) -> Iterator[str]:
    """The address of a running installation without demo data; its data stay for the next time.

    While it runs this process has its database and broker in the environment and Django set up.
    Raises RuntimeError with the end of its output when it does not start.
    """
    folder = ROOT / "var" / name
    folder.mkdir(parents=True, exist_ok=True)
    os.environ |= {"DATA_DIR": str(folder), "BASE_MODEL": "tiny"}
    for given in ("DATABASE_URL", "REDIS_URL"):
        os.environ.pop(given, None)
    server = _start(folder)
    try:
        url = _wait(server, folder)
        _set_up_django(folder)
        yield url
    finally:
        server.terminate()
        server.wait()


def _start(folder: Path) -> subprocess.Popen[bytes]:
    (folder / "ready").unlink(missing_ok=True)
    command = [sys.executable, ROOT / "manage.py", "up", "--no-demo", "--port", "0"]
    with (folder / "output").open("w") as output:
        return subprocess.Popen(
            [*command, "--ready-file", folder / "ready"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _wait(server: subprocess.Popen[bytes], folder: Path) -> str:
    deadline = time.monotonic() + READY_SECONDS
    ready = folder / "ready"
    while not ready.exists():
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"It does not start:\n{(folder / 'output').read_text()[-3000:]}")
        time.sleep(0.2)
    return ready.read_text()


def _set_up_django(folder: Path) -> None:
    import django

    os.environ["DATABASE_URL"] = (folder / "postgres" / "url").read_text()
    os.environ["REDIS_URL"] = (folder / "valkey" / "url").read_text()
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    sys.path.insert(0, str(ROOT))
    django.setup()
