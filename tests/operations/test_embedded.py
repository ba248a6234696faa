"""Embedded services are shared, survive crashes and leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg2
import pytest
import redis

from operations.embedded.services import Watch

# A user of the services: prints both URLs and stays until its standard input is closed.
USER = """
import sys
from pathlib import Path
from operations.embedded import services as embedded
folder = Path(sys.argv[1])
print(embedded.database_url(folder), embedded.redis_url(folder), flush=True)
sys.stdin.read()
"""


class Someone:
    """Another process that uses the services of `folder`."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def urls(self) -> tuple[str, str]:
        assert self.process.stdout
        database, broker = self.process.stdout.readline().split()
        return database, broker

    def leave(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        assert self.process.wait(30) == 0


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    assert _eventually(lambda: not _servers(tmp_path)), "a process is left"


def _servers(folder: Path) -> list[psutil.Process]:
    """Keepers, Postgres and Valkey processes of this folder."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd", "status"]):
        if process.info["status"] == psutil.STATUS_ZOMBIE or process.pid == os.getpid():
            continue
        words = " ".join(process.info["cmdline"] or [])
        if str(folder) in f"{words} {process.info['cwd']}" and USER not in words:
            found.append(process)
    return found


def _eventually(condition: object, seconds: float = 20.0) -> bool:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not (met := condition()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return bool(met)


def _write(database: str, broker: str) -> None:
    with psycopg2.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept AS SELECT 42 AS value")
    connection.close()
    redis.Redis.from_url(broker).set("kept", 42)


def _read(database: str, broker: str) -> tuple[int, int]:
    connection = psycopg2.connect(database)
    with connection.cursor() as cursor:
        cursor.execute("SELECT value FROM kept")
        row = cursor.fetchone()
    connection.close()
    return row[0], int(redis.Redis.from_url(broker).get("kept"))  # type: ignore[arg-type, index]


def test_two_processes_at_once_share_one_server_and_the_last_one_stops_it(folder: Path) -> None:
    first, second = Someone(folder), Someone(folder)
    assert first.urls() == second.urls()
    masters = [p for p in _servers(folder) if "-D" in p.cmdline() or "valkey-server" in p.name()]
    assert len(masters) == 2
    first.leave()
    assert _servers(folder)
    second.leave()
    assert not _servers(folder)


def test_data_is_kept_from_one_start_to_the_next(folder: Path) -> None:
    first = Someone(folder)
    _write(*first.urls())
    first.leave()
    second = Someone(folder)
    assert _read(*second.urls()) == (42, 42)
    second.leave()


def test_a_killed_server_comes_back_under_the_same_url_with_its_data(folder: Path) -> None:
    someone = Someone(folder)
    urls = someone.urls()
    _write(*urls)
    time.sleep(1.5)  # Valkey writes its file every second
    watch = Watch(folder, ["DATABASE_URL", "REDIS_URL"])
    servers = [p for p in _servers(folder) if "-D" in p.cmdline() or "valkey-server" in p.name()]
    for server in servers:
        server.send_signal(signal.SIGKILL)
    for server in servers:
        server.wait(10)

    def read() -> tuple[int, int] | None:
        try:
            return _read(*urls)
        except (psycopg2.OperationalError, redis.RedisError):
            return None

    assert _eventually(lambda: read() == (42, 42))
    assert any("answers" in sentence for sentence in watch.tend())
    someone.leave()


def test_killed_keepers_are_started_again_at_the_same_addresses(folder: Path) -> None:
    """Whoever watches starts them, and says so; whoever uses them goes on where it was."""
    someone = Someone(folder)
    urls = someone.urls()
    _write(*urls)
    time.sleep(1.5)  # Valkey writes its file every second
    watch = Watch(folder, ["DATABASE_URL", "REDIS_URL"])
    assert not list(watch.tend())
    for keeper in [p for p in _servers(folder) if "service_process" in " ".join(p.cmdline())]:
        keeper.kill()
    said: list[str] = []

    def back() -> bool:
        said.extend(watch.tend())
        return sum("answers" in sentence for sentence in said) == 2

    assert _eventually(back, 60)
    for name in ("postgres", "valkey"):
        assert f"{name} ended with its keeper; starting both again" in said
    assert _read(*urls) == (42, 42)
    someone.leave()


def test_only_embedded_services_are_watched(folder: Path) -> None:
    assert not list(Watch(folder, []).tend())
    assert not list(folder.iterdir())


def test_everything_killed_at_once_is_taken_up_by_the_next_start(folder: Path) -> None:
    first = Someone(folder)
    _write(*first.urls())
    time.sleep(1.5)
    for process in [*_servers(folder), psutil.Process(first.process.pid)]:
        with suppress(psutil.NoSuchProcess):  # one that ended with those before it
            process.send_signal(signal.SIGKILL)
    first.process.wait()
    assert (folder / "postgres" / "url").exists()  # stale, and not to be believed
    second = Someone(folder)
    assert _read(*second.urls()) == (42, 42)
    second.leave()


def test_a_killed_user_leaves_no_server_behind(folder: Path) -> None:
    someone = Someone(folder)
    someone.urls()
    someone.process.kill()
    someone.process.wait()
    assert _eventually(lambda: not _servers(folder))


def test_a_pid_file_of_a_reused_number_does_not_block_the_start(folder: Path) -> None:
    first = Someone(folder)
    _write(*first.urls())
    pid_file = folder / "postgres" / "cluster" / "postmaster.pid"
    lines = pid_file.read_text().split("\n")
    first.leave()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]))
    second = Someone(folder)
    assert _read(*second.urls()) == (42, 42)
    second.leave()


def test_an_interrupted_first_start_is_begun_again(folder: Path) -> None:
    half_made = folder / "postgres" / "cluster.new"
    half_made.mkdir(parents=True)
    (half_made / "PG_VERSION").write_text("18\n")
    someone = Someone(folder)
    assert someone.urls()[0].startswith("postgresql://")
    someone.leave()


def test_a_path_too_long_for_a_socket_gets_one_elsewhere(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    someone = Someone(deep)
    database, _ = someone.urls()
    assert str(deep) not in database
    someone.leave()
    assert not _servers(deep)


def test_with_urls_given_nothing_embedded_is_touched(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "DATA_DIR": str(tmp_path),
        "DATABASE_URL": "postgres://somebody@db.example/tutelage",
        "REDIS_URL": "redis://broker.example/0",
    }
    code = "from django.conf import settings; print(settings.DATABASES['default']['HOST'])"
    run = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "db.example"
    assert not (tmp_path / "postgres").exists()
    assert not (tmp_path / "valkey").exists()
