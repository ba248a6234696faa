"""Files of rows, read as a stream from any place on: what a row is, and how far one has come.

One module a format. A reader gives every row with its line, and every bad line with its reason; it
never holds more than a few rows. It knows nothing of prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAX_LINE_BYTES = 1_000_000
SHOWN = 2000  # characters of a bad line that are kept

COLUMNS = (
    "id", "messages", "conversations", "conversation", "prompt", "text", "kind", "instruction",
    "examples", "use_case", "topic", "language", "author", "organisation",
)  # fmt: skip
"""What a prompt's column can be called; others are not read."""


class FileRefused(ValueError):
    """Why a file as a whole cannot be read, and what to do."""


class BadLine(ValueError):
    """Why a line is no row."""


@dataclass(frozen=True)
class Cursor:
    """A place between two rows: bytes read (of Parquet rows) and lines before it."""

    offset: int = 0
    line: int = 0


@dataclass(frozen=True)
class Row:
    """A row, or why a line is none. `after` is where reading goes on; None amid a record."""

    line: int
    after: Cursor | None
    value: Any = None
    error: str = ""
    text: str = ""


@dataclass(frozen=True)
class Format:
    """How a kind of file is read: its rows from a place on, and how much there is of it; both are
    told which columns matter."""

    rows: Callable[[Path, Cursor, Collection[str]], Iterator[Row]]
    total: Callable[[Path, Collection[str]], int]
