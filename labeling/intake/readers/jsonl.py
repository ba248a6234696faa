"""JSON lines: one value a line; blank lines are passed over."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from labeling.intake.readers import COLUMNS, BadLine, Cursor, Format, Row
from labeling.intake.readers.lines import Lines, beginning, decoded, size


def rows(path: Path, cursor: Cursor, columns: Collection[str] = COLUMNS) -> Iterator[Row]:
    """The rows from a place on, with every column."""
    lines = Lines(path, cursor.offset)
    for number, line in enumerate(lines, start=cursor.line + 1):
        if not line.strip():
            continue
        after = Cursor(lines.offset, number)
        try:
            yield Row(number, after, _json(decoded(line)))
        except BadLine as error:
            yield Row(number, after, error=str(error), text=beginning(line))


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f" ({error})" if isinstance(error, json.JSONDecodeError) else ""
        raise BadLine(f"line is not JSON{where}") from None


FORMAT = Format(rows, size)
