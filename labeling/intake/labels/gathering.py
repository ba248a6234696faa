"""Rows that say something only together, such as the messages of a tree, as one. Pure.

They have to stand beside each other in the file, so that no more than one tree is ever held.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from labeling.intake.labels.about import given
from labeling.intake.labels.shapes import SHAPES, shape_of
from labeling.intake.labels.trees import MAX_MESSAGES
from labeling.intake.readers import Row
from labeling.intake.rows import RowError


@dataclass(frozen=True)
class Run:
    """Rows of one shape that belong together, with their lines."""

    shape: str
    key: str
    rows: list[tuple[int, Any]]


def gathered(rows: Iterable[Row], columns: Mapping[str, str]) -> Iterator[Row]:
    """The rows under our names of columns; those that belong together as one whose value is a
    `Run`."""
    run: Run | None = None
    last = Row(0, None)
    for row in rows:
        row = replace(row, value=given(row.value, columns))
        found = _run_of(row)
        if run and not (found and _same(run, found)):
            yield replace(last, value=run)
            run = None
        if found is None:
            yield row
        elif run:
            run.rows.extend(found.rows)
        else:
            run = found
        last = row
    if run:
        yield replace(last, value=run)


def _run_of(row: Row) -> Run | None:
    if row.error:
        return None
    with suppress(RowError):
        name = shape_of(row.value)
        if key := SHAPES[name].key:
            return Run(name, key(row.value), [(row.line, row.value)])
    return None


def _same(run: Run, other: Run) -> bool:
    alike = (run.shape, run.key) == (other.shape, other.key)
    return alike and len(run.rows) < MAX_MESSAGES
