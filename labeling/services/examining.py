"""Rows of a file → cleaned prompts, on two cores where a file is long enough to be worth it."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from labeling.chats import as_row
from labeling.cleaning import Recognisers, examined
from labeling.privacy import installed_names
from labeling.prompt_rows import RowError, name_of, parse
from labeling.readers import Row

LONG = 2**20
"""Bytes from which a file is read by several processes."""

_PROCESSES = 2
_AHEAD = 4  # batches that may be under way at once


@dataclass(frozen=True)
class Looked:
    """What a row turned out to be: its name and what `Examined.as_dict` says, or why it is bad."""

    row: Row
    name: str = ""
    examined: dict[str, Any] | None = None
    error: str = ""


def looked_at(
    batches: Iterable[list[Row]], *, region: str, pipeline: str, size: int
) -> Generator[list[Looked]]:
    """The batches in their order, each row cleaned or named bad."""
    look = partial(_look_at, region=region, pipeline=pipeline)
    if size < LONG or (os.cpu_count() or 1) < _PROCESSES or _is_daemon():
        yield from map(look, batches)
        return
    # Forked, the processes have models and patterns loaded; they never touch the database.
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
    look: Callable[[list[Row]], list[Looked]],
    batches: Iterable[list[Row]],
) -> Iterator[list[Looked]]:
    waiting: deque[Future[list[Looked]]] = deque()
    for batch in batches:
        waiting.append(pool.submit(look, batch))
        if len(waiting) >= _AHEAD:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _look_at(batch: list[Row], region: str, pipeline: str) -> list[Looked]:
    found = Recognisers(region, installed_names(pipeline))
    return [_look(row, found) for row in batch]


def _look(row: Row, found: Recognisers) -> Looked:
    place = Row(row.line, row.after, text=row.text)  # without its value, which need not travel
    if row.error:
        return Looked(place, error=row.error)
    value = as_row(row.value)
    try:
        return Looked(place, name_of(value), examined(parse(value), found).as_dict())
    except RowError as error:
        return Looked(place, error=str(error))
