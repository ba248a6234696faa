"""`manage.py up` runs everything, brings back what dies, and leaves no process behind."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import psycopg2
import pytest

from operations.management.commands import up
from operations.supervisor import Program

READY_SECONDS = 120.0  # for a machine that does much else besides
STOP_SECONDS = 40.0


class Installation:
    """One `up` on `folder`, in a process group of its own and without a terminal."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ready_file = folder / "ready"
        self.ready_file.unlink(missing_ok=True)
        environment = {**os.environ, "DATA_DIR": str(folder), "BASE_MODEL": "tiny"}
        for given in ("DATABASE_URL", "REDIS_URL"):
            environment.pop(given, None)
        self.output = folder / "output"
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up", "--port", "0", "--ready-file", self.ready_file],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_ready(self) -> None:
        _wait(lambda: self.ready_file.exists() or self.process.poll() is not None, READY_SECONDS)
        assert self.ready_file.exists(), self.output.read_text()[-3000:]

    def get(self, path: str) -> tuple[int, str]:
        address = urlsplit(self.ready_file.read_text())
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=5)
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()

    def count(self, table: str) -> int:
        connection = psycopg2.connect((self.folder / "postgres" / "url").read_text())
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {table}")
            row = cursor.fetchone()
        connection.close()
        assert row
        return int(row[0])

    def worker(self, queue: str) -> psutil.Process | None:
        children = psutil.Process(self.process.pid).children()
        return next((child for child in children if queue in _words(child)), None)

    def stop(self, send: Callable[[], None]) -> None:
        send()
        self.process.wait(STOP_SECONDS)
        assert not _left(self.folder)


def _wait(condition: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.1)


def _words(process: psutil.Process) -> list[str]:
    """Its command line and its DATA_DIR; nothing of one that has ended."""
    try:
        return [*process.cmdline(), process.environ().get("DATA_DIR", "")]
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return []


def _left(folder: Path) -> list[psutil.Process]:
    """The processes that run for this folder."""
    found = psutil.process_iter()
    return [p for p in found if any(str(folder) in word for word in _words(p))]


@pytest.fixture
def clean(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    for process in _left(tmp_path):
        process.kill()


@pytest.mark.loop
def test_it_starts_recovers_stops_and_keeps_the_data(clean: Path) -> None:
    first = Installation(clean)
    first.wait_until_ready()
    assert first.get("/readyz")[0] == 200
    assert first.get("/login/")[0] == 200
    _half_requests_stop_nobody(first)
    metrics = first.get("/metrics")[1]
    assert "tutelage_queue_messages" in metrics
    assert 'view="login"' in metrics  # whichever process answered that
    assert "researcher" in first.output.read_text()
    prompts, accounts = first.count("labeling_prompt"), first.count("accounts_user")
    assert prompts >= 120
    _kill_the_sampling_worker(first)
    group = os.getpgid(first.process.pid)
    first.stop(lambda: os.killpg(group, signal.SIGINT))

    second = Installation(clean)
    second.wait_until_ready()
    assert "passwords" not in second.output.read_text()
    assert second.count("labeling_prompt") == prompts
    assert second.count("accounts_user") == accounts
    second.stop(second.process.terminate)


def _half_requests_stop_nobody(installation: Installation) -> None:
    """More of them than there are threads: half heads, and half bodies."""
    address = urlsplit(installation.ready_file.read_text())
    for part in (b"GET / HTTP/1.1\r\nHo", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n{"):
        with ExitStack() as slow:
            for _ in range(20):
                client = socket.create_connection((address.hostname, address.port))
                slow.enter_context(client).sendall(part)
            assert installation.get("/healthz")[0] == 200


def _kill_the_sampling_worker(installation: Installation) -> None:
    killed = installation.worker("sampling")
    assert killed
    killed.kill()
    _wait(
        lambda: (new := installation.worker("sampling")) and new.pid != killed.pid,
        seconds=STOP_SECONDS,
    )


@pytest.mark.loop
def test_when_it_is_killed_everything_below_it_ends(clean: Path) -> None:
    installation = Installation(clean)
    installation.wait_until_ready()
    installation.process.kill()
    installation.process.wait()
    _wait(lambda: not _left(clean), STOP_SECONDS)


def test_a_port_in_use_is_named(clean: Path) -> None:

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        run = subprocess.run(
            [sys.executable, "manage.py", "up", "--port", str(port)], capture_output=True, text=True
        )
    assert run.returncode == 1
    assert f"Port {port} cannot be used" in run.stderr


def test_programs_that_never_load_a_model_load_no_model_library() -> None:
    code = (
        "import sys, django; django.setup(); import config.urls, labeling.tasks, trainer.tasks;"
        "print(sorted({'torch', 'transformers'} & sys.modules.keys()))"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert run.stdout.decode().strip() == "[]", run.stderr.decode()


def test_the_web_processes_count_requests_together_from_zero_in_memory(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not on the data's disk: where that is full, a write to a mapped file kills the process."""
    memory = tmp_path / "memory"
    memory.mkdir()
    monkeypatch.setattr(up, "_MEMORY", memory)
    settings.DATA_DIR = tmp_path / "data"
    folder = up._empty_memory_folder()
    (folder / "counter_1.db").touch()
    assert up._empty_memory_folder() == folder
    assert not list(folder.iterdir())
    programs = {program.name: program for program in up._programs("127.0.0.1", 1, folder)}
    assert programs["web"].environment["PROMETHEUS_MULTIPROC_DIR"] == str(folder)
    assert str(folder / "beat-schedule") in programs["beat"].command
    assert folder.parent == memory


def test_with_reload_a_changed_file_stops_the_programs_and_they_start_anew(tmp_path: Path) -> None:
    program = Program("sleeper", ["sleep", "600"])
    reload = up._Reload([program], [tmp_path])
    program.start()
    assert program.process
    first = program.process.pid
    try:
        reload()
        assert program.process.poll() is None
        (tmp_path / "views.py").write_text("changed = True")
        _wait(lambda: (reload(), program.process.poll() is not None)[1], STOP_SECONDS)
        program.keep()
        assert program.process.poll() is None and program.process.pid != first
    finally:
        program.kill()


def test_what_is_watched_is_what_runs() -> None:
    names = {folder.name for folder in up._code()}
    assert {"config", "core", "labeling", "trainer", "frontend"} <= names
    assert not {"tests", "docs", "var"} & names
