"""Writing an export: there whole or not at all, resumed where it stopped, a manifest beside it.

The lines are collected in `.NAME.unfinished`, and what is in there is told by `.NAME.progress`
after every chunk. Whoever asks for the same again goes on behind the last whole chunk; only labels
that were there when the export began are part of it, so that it ends in the same bytes however
often it was interrupted.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from django.db.models import Max
from django.utils import timezone

from core import __version__
from core.problems import Problem
from labeling.exports import FILES
from labeling.exports.orders import Order

_CHUNK = 1000
_READ = 1 << 20

Report = Callable[[int, int], object]


@dataclass
class _Progress:
    """How far an export is: labels done, the last one's id, the lines and bytes they gave."""

    order: dict[str, Any]
    upto: int
    created_at: str
    after: int = 0
    labels: int = 0
    rows: int = 0
    bytes: int = 0


def write(
    path: Path,
    order: Order,
    *,
    about: Mapping[str, Any] | None = None,
    report: Report = lambda labels, rows: None,
) -> dict[str, Any]:
    """Write the order's lines to `path` and `PATH.manifest.json` beside it; returns the manifest.

    Args:
        about: What the manifest says besides: snapshot, licence.
        report: Told after each chunk how many labels and lines are written; may raise to stop.
    """
    lines = beside(path, "unfinished")
    with lines.open("ab") as file:
        _lock(file, path)
        return _write(file, path, order, about or {}, report)


def _write(
    file: BinaryIO, path: Path, order: Order, about: Mapping[str, Any], report: Report
) -> dict[str, Any]:
    lines, note = beside(path, "unfinished"), beside(path, "progress")
    progress = _known(note, lines, order) or _begun(note, order)
    report(progress.labels, progress.rows)
    file.truncate(progress.bytes)
    _collect(file, note, order, progress, report)
    finished = _contained(lines, path, order)
    size, digest = _measured(finished)
    manifest = {
        **order.as_dict(),
        "schema": dict(order.form.schema),
        **about,
        "created_at": progress.created_at,
        "tutelage_version": __version__,
        "labels": progress.labels,
        "rows": progress.rows,
        "bytes": size,
        "sha256": digest,
    }
    _keep(manifest_path(path), manifest)
    finished.replace(path)
    for leftover in (lines, note):
        leftover.unlink(missing_ok=True)
    return manifest


def manifest_path(path: Path) -> Path:
    """Where the manifest of an export lies."""
    return path.with_name(f"{path.name}.manifest.json")


def remove(path: Path) -> None:
    """Destroy an export, finished or not, and everything beside it."""
    names = ("unfinished", "progress", "new")
    for file in (path, manifest_path(path), *(beside(path, name) for name in names)):
        file.unlink(missing_ok=True)


def beside(path: Path, name: str) -> Path:
    """A file that belongs to an export while it is made."""
    return path.with_name(f".{path.name}.{name}")


def _lock(file: BinaryIO, path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Problem(409, f"Another process is writing {path.name}; wait for it.") from None


def _known(note: Path, lines: Path, order: Order) -> _Progress | None:
    """The progress of the same order, if its lines are still there."""
    with suppress(FileNotFoundError, ValueError, TypeError):
        progress = _Progress(**json.loads(note.read_text(encoding="utf-8")))
        if progress.order == order.as_dict() and lines.stat().st_size >= progress.bytes:
            return progress
    return None


def _begun(note: Path, order: Order) -> _Progress:
    newest = order.labels().aggregate(newest=Max("pk"))["newest"] or 0
    progress = _Progress(order.as_dict(), newest, timezone.now().isoformat())
    _keep(note, asdict(progress))
    return progress


def _collect(file: BinaryIO, note: Path, order: Order, progress: _Progress, report: Report) -> None:
    labels = order.rows(after=progress.after, upto=progress.upto)
    columns = order.form.schema
    while chunk := list(islice(labels, _CHUNK)):
        for label in chunk:
            for line in order.form.lines(label):
                file.write(_encoded({name: line[name] for name in columns}))
                progress.rows += 1
        progress.labels += len(chunk)
        progress.after = chunk[-1]["label"]
        _flush(file)
        progress.bytes = file.tell()
        _keep(note, asdict(progress))
        report(progress.labels, progress.rows)


def _contained(lines: Path, path: Path, order: Order) -> Path:
    """The finished file beside its place."""
    if (make := FILES[order.file].write) is None:
        return lines
    finished = beside(path, "new")
    make(lines, finished, order.form.schema)
    with finished.open("rb+") as file:
        os.fsync(file.fileno())
    return finished


def _measured(path: Path) -> tuple[int, str]:
    """Size in bytes and sha256."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_READ):
            digest.update(block)
    return path.stat().st_size, digest.hexdigest()


def _keep(path: Path, values: Mapping[str, Any]) -> None:
    draft = path.with_name(f"{path.name}.draft")
    draft.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    draft.replace(path)


def _encoded(line: Mapping[str, Any]) -> bytes:
    return json.dumps(line, ensure_ascii=False).encode() + b"\n"


def _flush(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
