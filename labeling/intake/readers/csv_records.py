"""CSV with a heading; a cell may hold line breaks, lists stand in theirs as JSON.

A record is named by the line it ends on, or by its line that is bad.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from labeling.intake.readers import (
    COLUMNS,
    MAX_LINE_BYTES,
    SHOWN,
    BadLine,
    Cursor,
    FileRefused,
    Format,
    Row,
)
from labeling.intake.readers.lines import Lines, beginning, decoded, size

_DELIMITERS = ",;\t"


def rows(path: Path, cursor: Cursor, columns: Collection[str] = COLUMNS) -> Iterator[Row]:
    """The rows from a place on, each `{column: cell}` without empty cells."""
    csv.field_size_limit(MAX_LINE_BYTES)
    heading, delimiter, begin = _heading(path, columns)
    records = _Records(path, cursor if cursor.offset else begin)
    reader = csv.reader(records, strict=True, delimiter=delimiter)
    while True:
        try:
            cells = next(reader)
            value = _value(heading, cells) if cells and not records.bad else None
        except StopIteration:
            yield from records.given(None)
            return
        except (csv.Error, BadLine) as error:
            yield from records.given(_reason(error))
            if "field larger" in str(error):
                return
        else:
            yield from records.given(None, value)


class _Records:
    """The lines of one record after the other, and what is bad in them."""

    def __init__(self, path: Path, cursor: Cursor) -> None:
        self.lines = Lines(path, cursor.offset)
        self.line = cursor.line
        self.text = ""
        self.bad: list[Row] = []

    def __iter__(self) -> Iterator[str]:
        for line in self.lines:
            self.line += 1
            self.text = self.text or beginning(line)
            try:
                yield decoded(line)
            except BadLine as error:
                self.bad.append(Row(self.line, None, error=str(error), text=beginning(line)))
                yield _spoilt(line)

    def given(self, error: str | None, value: Any = None) -> Iterator[Row]:
        """What the record gives: its bad lines, else its reason, else its value."""
        found = self.bad
        if not found and (error or value is not None):
            found = [Row(self.line, None, value, error or "", self.text[:SHOWN] if error else "")]
        self.bad, self.text = [], ""
        yield from found[:-1]
        for row in found[-1:]:
            yield Row(
                row.line, Cursor(self.lines.offset, self.line), row.value, row.error, row.text
            )


def heading_of(line: str, columns: Collection[str] = COLUMNS) -> tuple[list[str], str] | None:
    """The column names in a heading and what parts them; None where none is known."""
    for delimiter in _DELIMITERS:
        try:
            names = next(csv.reader([line], strict=True, delimiter=delimiter), [])
        except csv.Error:
            continue
        names = [name.strip() for name in names]
        if {name.casefold() for name in names} & {*columns} or {*names} & {*columns}:
            known = (name.casefold() if name.casefold() in columns else name for name in names)
            return list(known), delimiter
    return None


def _heading(path: Path, columns: Collection[str]) -> tuple[list[str], str, Cursor]:
    lines = Lines(path)
    for number, line in enumerate(lines, start=1):
        if line.strip():
            found = heading_of(decoded(line), columns)
            if found is None:
                break
            return *found, Cursor(lines.offset, number)
    raise FileRefused(
        "The first line names no column that is known: it has to hold prompt, text or messages."
    )


def _value(heading: list[str], cells: list[str]) -> dict[str, str]:
    if len(cells) != len(heading):
        more = "more" if len(cells) > len(heading) else "fewer"
        raise BadLine(f"row has {more} cells than the heading")
    return {name: cell for name, cell in zip(heading, cells, strict=True) if cell != ""}


def _reason(error: Exception) -> str:
    if isinstance(error, BadLine):
        return str(error)
    if "field larger" in str(error):
        return (
            f"cell is longer than {MAX_LINE_BYTES:,} characters, or a quote is never closed; what "
            "follows was not read"
        )
    return f"row is not CSV: {error}"


def _spoilt(line: bytes) -> str:
    """A bad line that still closes the quotes it opened; of one that is too long, nothing."""
    if len(line) > MAX_LINE_BYTES:
        return "\n"
    return line.decode("utf-8", "replace").replace("\0", "\ufffd")


FORMAT = Format(rows, size)
