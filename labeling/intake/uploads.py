"""Files on their way to an import: received piece by piece, cancelled, cleaned up."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import User
from core.problems import Problem, refuse
from labeling.models import Import, StagedPrompt
from labeling.states import Imports

MAX_BYTES = 16 * 2**30
CHUNK = 4 * 2**20

_UNFINISHED_DAYS = 7
_REMEMBERED_DAYS = 90


def begin(
    *,
    name: str,
    size: int,
    modified: int,
    by: User,
    what: str = Import.What.PROMPTS,
    options: Mapping[str, Any] | None = None,
) -> Import:
    """An upload of this file; the one that was begun, where it is not complete.

    Raises Problem naming the field.
    """
    if not 0 < size <= MAX_BYTES:
        refuse("size", f"The file must hold 1 to {MAX_BYTES:,} bytes; this one has {size:,}.")
    file: dict[str, Any] = {"name": name, "size": size, "modified": modified, "by": by}
    file |= {"what": what, "options": dict(options or {})}
    begun = Import.objects.filter(**file, state=Import.State.RECEIVING)
    return begun.first() or Import.objects.create(**file)


@transaction.atomic
def append(*, import_id: int, offset: int, chunk: bytes) -> Import:
    """Add a piece at the place up to which the file is here.

    Raises Problem 409 with `received` for a piece of another place.
    """
    found = Import.objects.select_for_update().filter(pk=import_id).first()
    if found is None or found.state != Import.State.RECEIVING:
        raise Problem(409, "This upload is over: it is complete, or it was cancelled.")
    # A restored backup brings the row without the file.
    found.received = min(found.received, _size(found.file))
    if offset != found.received:
        sentence = f"The file is here up to byte {found.received:,}; go on from there."
        raise Problem(409, sentence, extra={"received": found.received})
    if offset + len(chunk) > found.size:
        refuse("size", f"The file was said to hold {found.size:,} bytes; this is more.")
    _write(found.file, offset, chunk)
    found.received += len(chunk)
    if found.received == found.size:
        found.state = Import.State.QUEUED
    values = {"received": found.received, "state": found.state, "heartbeat_at": Now()}
    Import.objects.filter(pk=found.pk).update(**values)
    return found


def named(
    path: Path,
    *,
    by: User | None = None,
    what: str = Import.What.PROMPTS,
    options: Mapping[str, Any] | None = None,
) -> Import:
    """The import of a file that lies here, to be checked; one that was not ended goes on."""
    about = path.stat()
    same: dict[str, Any] = {"what": what, "options": dict(options or {})}
    same |= {"path": str(path.resolve()), "size": about.st_size, "modified": about.st_mtime_ns}
    begun = Import.objects.filter(**same).exclude(state__in=Imports.ended).first()
    return begun or Import.objects.create(
        **same, name=path.name[-200:], received=about.st_size, state=Import.State.QUEUED, by=by
    )


def cancel(*, imported: Import) -> None:
    """End an import that is not finished; none of its texts stays. Raises Problem 409."""
    if not Imports.cancel.apply(Import.objects.filter(pk=imported.pk), ended_at=Now()):
        raise Problem(409, "This import has ended already.")
    imported.rejected.all().delete()
    _clear(imported)


def sweep() -> None:
    """Take away what imports that have ended left behind: staged rows and uploaded files."""
    for imported in Import.objects.exclude(ended_at=None):
        _clear(imported)


def clean_old() -> int:
    """End what nobody went on with for a week, forget what is long over; how many ended."""
    now = timezone.now()
    waiting = Import.objects.filter(
        heartbeat_at__lt=now - timedelta(days=_UNFINISHED_DAYS),
        state__in=[Import.State.RECEIVING, Import.State.CHECKED],
    )
    old = list(waiting)
    for imported in old:
        cancel(imported=imported)
    sweep()
    Import.objects.filter(ended_at__lt=now - timedelta(days=_REMEMBERED_DAYS)).delete()
    return len(old)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _write(path: Path, offset: int, chunk: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("r+b" if path.exists() else "wb") as file:
        # What was written and not committed is written over.
        file.truncate(offset)
        file.seek(offset)
        file.write(chunk)


def _clear(imported: Import) -> None:
    StagedPrompt.objects.filter(of=imported).delete()
    if not imported.path:
        imported.file.unlink(missing_ok=True)
