"""Rows of a file → cleaned prompts, on two cores where a file is long enough to be worth it."""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass

from labeling.intake import languages
from labeling.intake.chats import as_row
from labeling.intake.cleaning import Examined, Recognisers, examined
from labeling.intake.privacy import installed_names
from labeling.intake.readers import Cursor, Row
from labeling.intake.rows import NewPrompt, RowError, name_of, parse

LONG = 2**20
"""Bytes from which a file is read by several processes."""

_PROCESSES = 2
_AHEAD = 4  # batches that may be under way at once


@dataclass(frozen=True)
class Looked:
    """What the rows of a batch turned out to be, ready to be stored, and where reading goes on."""

    good: Sequence[tuple[int, int, str, str, str | None]]
    """Line, number on that line, name, what `Examined.as_dict` says, and the label, as JSON."""
    bad: list[tuple[int, str, str]]
    """Line, reason and how the row begins."""
    tally: dict[str, Counter[str]]
    """Good rows by the kinds of personal data in them, languages and use cases."""
    after: Cursor | None
    rows: int


def looked_at(
    batches: Iterable[list[Row]], look: Callable[[list[Row]], Looked], *, size: int
) -> Generator[Looked]:
    """The batches in their order, each row cleaned or named bad by `look`."""
    if size < LONG or (os.cpu_count() or 1) < _PROCESSES or _is_daemon():
        yield from map(look, batches)
        return
    # Forked, the processes have models and patterns loaded; they never touch the database.
    languages.load()
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(_PROCESSES, context, _end_with, (os.getpid(),)) as pool:
        try:
            yield from _in_order(pool, look, batches)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _is_daemon() -> bool:
    """Whether this process may have none of its own, as Celery's may not."""
    return multiprocessing.current_process().daemon


def _end_with(parent: int) -> None:
    """In a process of the pool: end when the one that started it is gone, however it went."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _in_order(
    pool: ProcessPoolExecutor,
    look: Callable[[list[Row]], Looked],
    batches: Iterable[list[Row]],
) -> Iterator[Looked]:
    waiting: deque[Future[Looked]] = deque()
    for batch in batches:
        waiting.append(pool.submit(look, batch))
        if len(waiting) >= _AHEAD:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def prompts_of(batch: list[Row], region: str, pipeline: str) -> Looked:
    """The prompts in a batch of rows, cleaned, and the bad rows."""
    rows: list[tuple[int, str, NewPrompt]] = []
    bad = []
    for row in batch:
        try:
            rows.append((row.line, *_read(row)))
        except RowError as error:
            bad.append((row.line, str(error), row.text))
    found = Recognisers(region, installed_names(pipeline))
    prompts = examined([prompt for _, _, prompt in rows], found)
    good = [
        (line, 0, name, json.dumps(one.as_dict()), None)
        for (line, name, _), one in zip(rows, prompts, strict=True)
    ]
    return Looked(good, bad, _tally(prompts), batch[-1].after, len(batch))


def _read(row: Row) -> tuple[str, NewPrompt]:
    """The row's name and its prompt. Raises RowError."""
    if row.error:
        raise RowError("", row.error)
    value = as_row(row.value)
    return name_of(value), parse(value)


def _tally(prompts: list[Examined]) -> dict[str, Counter[str]]:
    return {
        "personal": Counter(kind for one in prompts for kind in {s["kind"] for s in one.spans}),
        "languages": Counter(one.row.language for one in prompts),
        "use_cases": Counter(one.row.use_case for one in prompts),
    }
