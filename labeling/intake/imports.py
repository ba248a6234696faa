"""Imports: a file's rows are checked and staged, then stored all at once or not at all.

Checking commits as it goes, with the place in the file, so that whoever takes the import up again
goes on from there. Storing is one transaction. Either is a job, which one process at a time holds.
"""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any, NoReturn

from django.core.cache import cache
from django.db import connection, transaction
from django.db.models import F, Min, Q, TextField, Window
from django.db.models.functions import Cast, Now

from accounts.audit import record
from core.jobs import MOST_DEATHS, Jobs, Lost, Stopped
from core.problems import Problem
from core.stopping import stopping
from labeling.intake.cleaning import Examined
from labeling.intake.examining import Looked, looked_at
from labeling.intake.import_kinds import Result, Staged, work_of
from labeling.intake.prompts import BATCH
from labeling.intake.readers import Cursor, FileRefused, Row
from labeling.intake.readers.sniffing import FORMATS, sniff
from labeling.models import Import, RejectedRow, StagedPrompt
from labeling.states import Imports

Advance = Callable[[int], None]

_DIED = (
    f"Its worker died {MOST_DEATHS} times in a row, most likely for lack of memory. Split the file."
)
CHECKS = Jobs(
    Import,
    take=Imports.check,
    done=Imports.checked,
    broken=Imports.fail,
    back=Imports.wait,
    died=_DIED,
    saved=lambda imported: json.dumps(imported.cursor),
)
STORES = Jobs(
    Import,
    take=Imports.store,
    done=Imports.finish,
    broken=Imports.fail,
    back=Imports.undo,
    died=_DIED,
    saved=lambda imported: "accepted",
)
logger = logging.getLogger(__name__)

_STAGE = """
INSERT INTO labeling_stagedprompt (of_id, line, number, name, examined, label)
SELECT %s, line, number, name, examined::jsonb, label::jsonb
FROM unnest(%s::bigint[], %s::integer[], %s::text[], %s::text[], %s::text[])
AS row (line, number, name, examined, label)
"""
_KEPT_NAMES = 40  # languages of a tally


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
    mine = CHECKS.claim(import_id)
    if mine is None:
        return False
    with _in_hand(CHECKS, mine):
        if _stage_all(mine, seconds, advance):
            raise Stopped
        _name_repeated(mine)
        for line, reason in work_of(mine).conflicts(mine):
            _reject(mine, line, reason)
        if rehearse:
            _rehearse(mine)
        CHECKS.finish(mine)
    return CHECKS.waits(import_id)


def store(import_id: int, *, advance: Advance = lambda rows: None) -> bool:
    """Store the good rows of an import that was accepted, all or none; whether this call did."""
    mine = STORES.claim(import_id)
    if mine is None:
        return False
    with _in_hand(STORES, mine):
        with transaction.atomic():
            result = _take_all(STORES, mine, advance)
            StagedPrompt.objects.filter(of=mine).delete()
            if not STORES.finish(mine, result=vars(result), ended_at=Now()):
                raise Lost
            _note(mine, result)
        if not mine.path:
            mine.file.unlink(missing_ok=True)
        return True
    return False


def abandoned() -> dict[str, list[int]]:
    """Imports whose message was lost or whose worker died, by what there is to do: check, store.

    Those of files that a command named are the command's.
    """
    received = Q(path="")
    return {"check": CHECKS.lost(received), "store": STORES.lost(received)}


def accept(*, imported: Import, skip_invalid: bool = False) -> None:
    """Let the rows of a checked file be stored; the caller sends it to a worker.

    Raises Problem where lines are bad and are not to be skipped, or none is good.
    """
    if imported.tally.get("bad") and not skip_invalid:
        bad = imported.tally["bad"]
        _refuse(f"Bad lines: {bad:,}. Correct them, or say that they are to be skipped.")
    if not imported.staged.exists():
        _refuse("There is nothing to import.")
    mine = Import.objects.filter(pk=imported.pk)
    if not Imports.accept.apply(mine, worker="", heartbeat_at=Now()):
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
            if stopping() or time.monotonic() > end:
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
    CHECKS.keep(mine, format=mine.format, cursor=mine.cursor, tally=mine.tally)


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
    CHECKS.keep(mine, tally=mine.tally)


def _rehearse(mine: Import) -> None:
    """Store everything and keep nothing of it but the counts."""
    try:
        with transaction.atomic():
            result = _take_all(CHECKS, mine, lambda rows: None)
            raise _Rehearsed
    except _Rehearsed:
        CHECKS.keep(mine, result=vars(result))


def _take_all(jobs: Jobs[Import], mine: Import, advance: Advance) -> Result:
    work = work_of(mine)
    result = work.result()
    for batch in _staged(mine):
        work.take(batch, result)
        advance(len(batch))
        cache.set(mine.progress_key, result.taken, timeout=300)
        # Read, not written: until it is stored, a cancelling need not wait.
        if not jobs.held(mine).exists():
            raise Lost
        if stopping():
            raise Stopped
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
def _in_hand(jobs: Jobs[Import], mine: Import) -> Iterator[None]:
    """Keep the import's heartbeat, and release or fail it where the block ends with less than all.

    Unlike staged rows that another process goes on with, those of what has ended are forgotten.
    """
    try:
        with jobs.beating(mine):
            yield
    except Stopped:
        jobs.release(mine)
    except KeyboardInterrupt:  # the command that is given again goes on at once
        jobs.release(mine)
        raise
    except Lost:
        _forget_staged(mine)
    except FileRefused as refused:
        jobs.fail(mine, str(refused))
        _forget_staged(mine)
    except Exception:  # whatever it is, the page says so instead of waiting for ever
        logger.exception("%s could not be checked or stored", mine)
        jobs.fail(
            mine, "Something went wrong that is not the file's fault; the server's log says what."
        )
        _forget_staged(mine)


def _forget_staged(mine: Import) -> None:
    if Import.objects.filter(pk=mine.pk, state__in=Imports.ended).exists():
        StagedPrompt.objects.filter(of=mine).delete()


def _refuse(sentence: str) -> NoReturn:
    raise Problem(409, sentence)
