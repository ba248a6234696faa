"""`manage.py up`: the whole installation on one machine, in the foreground."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from hashlib import sha256
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from operations.embedded.services import Watch
from operations.queues import beat_is_silent, forget_workers, unserved_queues
from operations.supervisor import Program, supervise

_GUNICORN = (
    "gunicorn config.wsgi:application --worker-class operations.web_server.BufferedWorker "
    "--workers 2 --threads 4 --worker-connections 400 --preload --graceful-timeout 5 "
    "--keep-alive 30 --no-control-socket --log-level warning"
)
_WORKER = "celery --quiet --app config worker --pool prefork --concurrency 1 --loglevel WARNING"
_BEAT = "celery --quiet --app config beat --loglevel WARNING --pidfile="
_MEMORY = Path("/dev/shm")  # noqa: S108  (the folder made there is our own)

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = (
        "Prepare the installation (see first_run), then run web server, workers and beat until "
        "Ctrl-C or SIGTERM. Example: manage.py up --port 8000"
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address the web server listens on")
        parser.add_argument("--port", type=int, default=8000, help="0 takes any free port")
        parser.add_argument("--no-demo", action="store_true", help="no demo prompts and accounts")
        parser.add_argument(
            "--ready-file", type=Path, help="write the web address here once everything answers"
        )
        parser.add_argument(
            "--reload", action="store_true", help="start every program anew when a file changes"
        )

    def handle(self, **options: Any) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, _leave)
        for name in settings.EMBEDDED:
            # Every program asks for the embedded services itself: they stay until the last ended.
            os.environ.pop(name, None)
        if not sys.stderr.isatty():
            os.environ["TQDM_DISABLE"] = "1"  # no progress bars in a log
        port = _port(options["host"], options["port"])
        _prepare(demo=not options["no_demo"])
        self.stdout.write("Starting web server, workers and beat ...")
        forget_workers()
        memory = _empty_memory_folder()
        programs = _programs(options["host"], port, memory)
        ticks: list[Callable[[], None]] = [_Tick(self, port, options["ready_file"])]
        if options["reload"]:
            ticks.append(_Reload(programs, _code()))
        try:
            supervise(programs, on_tick=lambda: [tick() for tick in ticks])
        finally:
            shutil.rmtree(memory, ignore_errors=True)
        self.stdout.write("Stopped.")


class _Tick:
    """Says once that everything answers, and where; brings embedded services back."""

    def __init__(self, command: Command, port: int, ready_file: Path | None) -> None:
        self.command, self.port, self.ready_file = command, port, ready_file
        self.announced = False
        # A service that the environment names is somebody else's to keep.
        self.embedded = Watch(settings.DATA_DIR, settings.EMBEDDED)

    def __call__(self) -> None:
        for sentence in self.embedded.tend():
            logger.warning(sentence)
        if not self.announced and _ready(self.port):
            self.announced = True
            self._announce()

    def _announce(self) -> None:
        url = f"http://127.0.0.1:{self.port}"
        self.command.stdout.write(f"Tutelage is ready: {url}  (Ctrl-C stops it)")
        self.command.stdout.flush()
        if self.ready_file:
            self.ready_file.write_text(url)


class _Reload:
    """Stops the programs whenever a file below the folders changes; they are started again."""

    def __init__(self, programs: Sequence[Program], folders: Sequence[Path]) -> None:
        from watchfiles import watch  # only developers have it

        self.programs = programs
        # Looks without waiting: what changes between two looks is kept until the next.
        self.changes = watch(*folders, debounce=50, rust_timeout=1, yield_on_timeout=True)
        next(self.changes)  # from now on

    def __call__(self) -> None:
        if next(self.changes):
            for program in self.programs:
                program.pause = 0.0  # it did not fail
                program.ask_to_stop()


def _code() -> list[Path]:
    """The folders of everything that runs."""
    packages = {file.parent for file in Path(settings.BASE_DIR).glob("*/__init__.py")}
    return sorted(folder for folder in packages if folder.name != "tests")


def _leave(number: int, frame: object) -> None:
    sys.exit(128 + number)


def _port(host: str, wanted: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, wanted))
        except OSError as error:
            raise CommandError(f"Port {wanted} cannot be used ({error}); choose another.") from None
        return int(probe.getsockname()[1])


def _prepare(*, demo: bool) -> None:
    """In a process of its own, so that what it loads is gone afterwards."""
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "first_run"]
    if subprocess.run(command if demo else [*command, "--no-demo"]).returncode:
        raise CommandError("The preparation failed; the reason stands above.")


def _programs(host: str, port: int, memory: Path) -> list[Program]:
    cores = os.environ.get("OMP_NUM_THREADS") or str(len(os.sched_getaffinity(0)))
    # Threads that wait must not spin: sampling and training share the cores.
    compute = {"OMP_NUM_THREADS": cores, "OMP_WAIT_POLICY": "PASSIVE"}
    light = {"OMP_NUM_THREADS": "1"}
    return [
        _python(
            "web",
            f"{_GUNICORN} --bind {host}:{port}",
            {**light, "PROMETHEUS_MULTIPROC_DIR": str(memory)},
        ),
        _worker("default", light),
        _worker("sampling", compute),
        _worker("training", compute, niceness=10),
        _python("beat", _BEAT, light, ["--schedule", str(memory / "beat-schedule")]),
    ]


def _empty_memory_folder() -> Path:
    """What processes count and when beat did what, kept in memory and gone with the machine.

    The counters are files mapped into memory: on a full disk, writing to one kills the process.
    """
    where = _MEMORY if os.access(_MEMORY, os.W_OK) else settings.DATA_DIR
    of_this = sha256(bytes(settings.DATA_DIR)).hexdigest()[:16]
    folder = Path(where) / f"tutelage-{os.geteuid()}-{of_this}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)  # fails where somebody else has put one there
    return folder


def _worker(queue: str, environment: dict[str, str], niceness: int = 0) -> Program:
    environment = {
        **environment,
        # A worker told to stop puts its task back at once; every task can be taken up again.
        "REMAP_SIGTERM": "SIGQUIT",
        # The warning is about pickled messages; ours are JSON.
        "PYTHONWARNINGS": "ignore:You're running the worker with superuser",
    }
    line = f"{_WORKER} --queues {queue} --hostname {queue}-{os.getpid()}@%h"
    return _python(queue, line, environment, niceness=niceness)


def _python(
    name: str,
    line: str,
    environment: dict[str, str],
    arguments: list[str] | None = None,
    niceness: int = 0,
) -> Program:
    command = [sys.executable, "-m", *line.split(), *(arguments or [])]
    return Program(name, command, environment, niceness)


def _ready(port: int) -> bool:
    # Known before the web server is asked, which logs each of its own noes as an error.
    if unserved_queues() or beat_is_silent():
        return False
    connection = HTTPConnection("127.0.0.1", port, timeout=3)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
