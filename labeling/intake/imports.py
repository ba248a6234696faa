"""Imports: a file's rows are checked and staged, then stored all at once or not at all.

Checking commits as it goes, with the place in the file, so that whoever takes the import up again
goes on from there. Storing is one transaction. One process at a time has an import in hand: it
holds a lock of the database that ends with it.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any, NoReturn

from django.core.cache import cache
from django.db import connection, transaction
from django.db.models import F, Min, TextField, Window
from django.db.models.functions import Cast, Now

from accounts.audit import record
from core.problems import Problem
from labeling.intake.cleaning import Examined
from labeling.intake.examining import Looked, looked_at
from labeling.intake.import_kinds import Result, Staged, work_of
from labeling.intake.prompts import BATCH
from labeling.intake.readers import Cursor, FileRefused, Row
from labeling.intake.readers.sniffing import FORMATS, sniff
from labeling.models import Import, RejectedRow, StagedPrompt
from labeling.states import Imports

Advance = Callable[[int], None]

_STAGE = """
INSERT INTO labeling_stagedprompt (of_id, line, number, name, examined, label)
SELECT %s, line, number, name, examined::jsonb, label::jsonb
FROM unnest(%s::bigint[], %s::integer[], %s::text[], %s::text[], %s::text[])
AS row (line, number, name, examined, label)
"""
_LOCK = 0x1B4  # the first half of the key of an import's lock
_KEPT_NAMES = 40  # languages of a tally


class Withdrawn(Exception):
    """The import was cancelled while it was worked on."""


class _Rehearsed(Exception):
    """Leaves the transaction without keeping what it did."""


def check(
    import_id: int,
    *,
    rehearse: bool = True,
    seconds: float | None = None,
    advance: Advance = lambda size: None,
) -> bool:
    """Check and stage the rows of a file, for so many seconds; whether there is more to do.

    Args:
        rehearse: Find out what would become of the rows as well.
        advance: Told how far reading came since, in the units of the file's total.
    """
    with _in_hand(import_id) as mine:
        if mine is None or not _move(mine, Imports.check):
            return False
        try:
            if _stage_all(mine, seconds, advance):
                return True
            _name_repeated(mine)
            for line, reason in work_of(mine).conflicts(mine):
                _reject(mine, line, reason)
            if rehearse:
                _rehearse(mine)
        except FileRefused as refused:
            _move(mine, Imports.fail, failure=str(refused), ended_at=Now())
            _forget_staged(mine)
        except Withdrawn:
            _forget_staged(mine)
        else:
            _move(mine, Imports.checked)
    return False


def store(import_id: int, *, advance: Advance = lambda rows: None) -> bool:
    """Store the good rows of an import that was accepted, all or none; whether this call did."""
    with _in_hand(import_id) as mine:
        if mine is None or not _move(mine, Imports.store):
            return False
        try:
            with transaction.atomic():
                result = _take_all(mine, advance)
                StagedPrompt.objects.filter(of=mine).delete()
                if not _move(mine, Imports.finish, result=vars(result), ended_at=Now()):
                    raise Withdrawn
                _note(mine, result)
        except Withdrawn:
            _forget_staged(mine)
            return False
    if not mine.path:
        mine.file.unlink(missing_ok=True)
    return True


def give_up(import_id: int) -> None:
    """End an import that nobody can go on with; the log says why."""
    mine = Import.objects.get(pk=import_id)
    sentence = "Something went wrong that is not the file's fault; the server's log says what."
    if _move(mine, Imports.fail, failure=sentence, ended_at=Now()):
        _forget_staged(mine)


def accept(*, imported: Import, skip_invalid: bool = False) -> None:
    """Let the rows of a checked file be stored; the caller sends it to a worker.

    Raises Problem where lines are bad and are not to be skipped, or none is good.
    """
    if imported.tally.get("bad") and not skip_invalid:
        bad = imported.tally["bad"]
        _refuse(f"Bad lines: {bad:,}. Correct them, or say that they are to be skipped.")
    if not imported.staged.exists():
        _refuse("There is nothing to import.")
    if not _move(imported, Imports.accept):
        _refuse("The import is not checked, or it was accepted already.")


def _stage_all(mine: Import, seconds: float | None, advance: Advance) -> bool:
    """Whether the time was over before the file was."""
    end = time.monotonic() + seconds if seconds is not None else float("inf")
    work = work_of(mine)
    mine.format = mine.format or sniff(mine.file, mine.name, work.columns)
    form, cursor = FORMATS[mine.format], Cursor(*mine.cursor.get("at", (0, 0)))
    total = form.total(mine.file, work.columns)
    mine.cursor = {"of": total, "at": [cursor.offset, cursor.line]}
    rows = work.gathered(form.rows(mine.file, cursor, work.columns))
    looked = looked_at(_batches(rows), work.look, size=mine.size)
    with closing(looked):
        for batch in looked:
            _stage(mine, batch)
            advance(mine.cursor["at"][0] - cursor.offset)
            cursor = Cursor(*mine.cursor["at"])
            if time.monotonic() > end:
                return True
    return False


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Batches that end between two records."""
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) >= BATCH and row.after is not None:
            yield batch
            batch = []
    if batch:
        yield batch


@transaction.atomic
def _stage(mine: Import, batch: Looked) -> None:
    """Keep what a batch of rows says, together with the place after it."""
    if batch.good:
        columns = [list(column) for column in zip(*batch.good, strict=True)]
        with connection.cursor() as cursor:
            cursor.execute(_STAGE, [mine.pk, *columns])
    RejectedRow.objects.bulk_create(
        RejectedRow(of=mine, line=line, reason=reason, text=text)
        for line, reason, text in batch.bad
    )
    if batch.after:
        mine.cursor["at"] = [batch.after.offset, batch.after.line]
    _count(mine.tally, batch)
    _keep(mine, format=mine.format, cursor=mine.cursor, tally=mine.tally)


def _count(tally: dict[str, Any], batch: Looked) -> None:
    tally["rows"] = tally.get("rows", 0) + batch.rows
    tally["bad"] = tally.get("bad", 0) + len(batch.bad)
    for name, found in batch.tally.items():
        counts = Counter(tally.get(name, {})) + found
        tally[name] = dict(counts.most_common(_KEPT_NAMES))


def _name_repeated(mine: Import) -> None:
    """Rows whose id an earlier row has are bad."""
    first = Window(Min("line"), partition_by=[F("name")])
    rows = mine.staged.exclude(name="").annotate(first=first).filter(line__gt=F("first"))
    for pk, line, name, first_line in list(rows.values_list("pk", "line", "name", "first")):
        _reject(mine, line, f"id {name[:60]!r} stands on line {first_line} already", pk=pk)


@transaction.atomic
def _reject(mine: Import, line: int, reason: str, **which: int) -> None:
    """Take what a line gave out of what is staged, and say why."""
    RejectedRow.objects.create(of=mine, line=line, reason=reason)
    StagedPrompt.objects.filter(of=mine, line=line, **which).delete()
    mine.tally["bad"] += 1
    _keep(mine, tally=mine.tally)


def _rehearse(mine: Import) -> None:
    """Store everything and keep nothing of it but the counts."""
    try:
        with transaction.atomic():
            result = _take_all(mine, lambda rows: None)
            raise _Rehearsed
    except _Rehearsed:
        _keep(mine, result=vars(result))


def _take_all(mine: Import, advance: Advance) -> Result:
    work = work_of(mine)
    result = work.result()
    for batch in _staged(mine):
        work.take(batch, result)
        advance(len(batch))
        cache.set(mine.progress_key, result.taken, timeout=300)
        _require_wanted(mine)
    return result


def _staged(mine: Import) -> Iterator[list[Staged]]:
    """The staged rows in batches; each is decoded while the one before it is being stored."""
    with connection.cursor() as cursor:
        # Of a table that has just grown the planner knows nothing, and would sort it every time.
        cursor.execute("ANALYZE labeling_stagedprompt")
    rows = mine.staged.order_by("pk").values_list(
        "pk", "line", Cast("examined", TextField()), Cast("label", TextField())
    )
    last = 0

    def fetched() -> list[tuple[int, int, str, str | None]]:
        nonlocal last
        batch = list(rows.filter(pk__gt=last)[:BATCH])
        last = batch[-1][0] if batch else last
        return batch

    with ThreadPoolExecutor(1) as beside:
        coming = beside.submit(_decoded, fetched())
        while batch := coming.result():
            coming = beside.submit(_decoded, fetched())
            yield batch


def _decoded(found: list[tuple[int, int, str, str | None]]) -> list[Staged]:
    return [
        Staged(line, Examined.from_dict(json.loads(examined)), label and json.loads(label))
        for _, line, examined, label in found
    ]


def _note(mine: Import, result: Result) -> None:
    detail = {"rows": mine.tally["rows"], "bad": mine.tally["bad"], **vars(result)}
    record(act=work_of(mine).act, by=mine.by, target=mine, detail=detail)


@contextmanager
def _in_hand(import_id: int) -> Iterator[Import | None]:
    """The import, where no other process has it in hand."""
    key = [_LOCK, import_id]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", key)
        [held] = cursor.fetchone()
        try:
            yield Import.objects.filter(pk=import_id).first() if held else None
        finally:
            if held:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", key)


def _move(mine: Import, move: Any, **values: Any) -> bool:
    return bool(move.apply(Import.objects.filter(pk=mine.pk), heartbeat_at=Now(), **values))


def _keep(mine: Import, **values: Any) -> None:
    """Write down how far it is. Raises Withdrawn."""
    rows = Import.objects.filter(pk=mine.pk, state=Import.State.CHECKING)
    if not rows.update(heartbeat_at=Now(), **values):
        raise Withdrawn


def _require_wanted(mine: Import) -> None:
    if Import.objects.filter(pk=mine.pk, state=Import.State.CANCELLED).exists():
        raise Withdrawn


def _forget_staged(mine: Import) -> None:
    StagedPrompt.objects.filter(of=mine).delete()


def _refuse(sentence: str) -> NoReturn:
    raise Problem(409, sentence)
