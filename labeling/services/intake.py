"""Files of prompts: read as a stream, checked line by line, stored all or none.

JSON lines, or CSV with a heading. Every bad line is named with its number and the reason.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from django.db import transaction

from labeling.models import Prompt
from labeling.prompt_rows import NewPrompt, RowError, parse
from labeling.services.prompts import Added, add_prompts

MAX_LINE_BYTES = 1_000_000
_BOM = b"\xef\xbb\xbf"

Advance = Callable[[int], None]


@dataclass(frozen=True)
class Reject:
    """A line that is no prompt: its number from 1, why, and how it begins."""

    line: int
    reason: str
    text: str = ""


@dataclass
class Report:
    """What an import did, or would have done."""

    lines: int = 0
    imported: bool = False
    result: Added = field(default_factory=Added)
    rejects: list[Reject] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "lines": self.lines,
            "imported": self.imported,
            **asdict(self.result),
            "rejects": [{"line": bad.line, "reason": bad.reason} for bad in self.rejects],
        }


class _Rollback(Exception):
    """Leaves the transaction without keeping what it did."""


def import_file(
    path: Path,
    *,
    skip_invalid: bool = False,
    dry_run: bool = False,
    advance: Advance = lambda size: None,
) -> Report:
    """Import a .jsonl or .csv file in one transaction.

    Args:
        skip_invalid: Import the good lines although others are bad.
        dry_run: Do everything, and keep nothing.
        advance: Told the number of bytes read, for a progress bar.
    """
    report = Report()
    read = _read_csv if path.suffix.lower() == ".csv" else _read_jsonl
    try:
        with path.open("rb") as file, transaction.atomic():
            rows = read(_counted(file, advance), report)
            # Once nothing can be imported any more, the rest is only checked.
            rows = (row for row in rows if skip_invalid or not report.rejects)
            report.result = add_prompts(rows, source=Prompt.Source.IMPORT)
            if dry_run or (report.rejects and not skip_invalid):
                raise _Rollback
            report.imported = True
    except _Rollback:
        pass
    return report


def _counted(file: BinaryIO, advance: Advance) -> Iterator[bytes]:
    """Lines of at most MAX_LINE_BYTES and a bit; of a longer one only its beginning."""
    first = True
    while line := file.readline(MAX_LINE_BYTES + 1):
        advance(len(line))
        yield line.removeprefix(_BOM) if first else line
        first = False
        while len(line) > MAX_LINE_BYTES and not line.endswith(b"\n"):
            line = file.readline(MAX_LINE_BYTES + 1)
            advance(len(line))


def _read_jsonl(lines: Iterator[bytes], report: Report) -> Iterator[NewPrompt]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        report.lines += 1
        try:
            yield parse(_json(_decoded(line)))
        except RowError as error:
            report.rejects.append(Reject(number, str(error), _beginning(line)))


def _read_csv(lines: Iterator[bytes], report: Report) -> Iterator[NewPrompt]:
    """A record may span lines; it is named by the line it ends on, or by its line that is bad."""
    csv.field_size_limit(MAX_LINE_BYTES)
    reader = csv.DictReader(_decoded_lines(lines, report), strict=True)
    while True:
        try:
            row = next(reader)
            report.lines += 1
            if not _spoiled(row):
                yield parse(_cells(row))
        except StopIteration:
            return
        except (RowError, csv.Error) as error:
            text = str(error) if isinstance(error, RowError) else f"row is not CSV: {error}"
            report.rejects.append(Reject(reader.reader.line_num, text))


def _decoded_lines(lines: Iterator[bytes], report: Report) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        try:
            yield _decoded(line)
        except RowError as error:
            report.rejects.append(Reject(number, str(error), _beginning(line)))
            yield _spoilt(line)


def _spoilt(line: bytes) -> str:
    """A bad line that still closes the quotes it opened, with a NUL, which no good line has."""
    if len(line) > MAX_LINE_BYTES:
        return "\0\n"
    return line.decode("utf-8", "replace").replace("\ufffd", "\0")


def _spoiled(row: dict[str | None, Any]) -> bool:
    cells = [*row.values(), *(row.get(None) or ())]
    return any("\0" in cell for cell in cells if isinstance(cell, str))


def _cells(row: dict[str | None, Any]) -> dict[str, Any]:
    if None in row:
        raise RowError("row", "has more cells than the heading")
    if None in row.values():
        raise RowError("row", "has fewer cells than the heading")
    return {str(name).strip(): cell for name, cell in row.items() if cell != ""}


def _decoded(line: bytes) -> str:
    if len(line) > MAX_LINE_BYTES:
        raise RowError("line", f"is longer than {MAX_LINE_BYTES:,} bytes")
    if b"\0" in line:
        raise RowError("line", "holds a NUL")
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RowError("line", f"is not UTF-8 (byte {error.start + 1})") from None


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f" ({error})" if isinstance(error, json.JSONDecodeError) else ""
        raise RowError("line", f"is not JSON{where}") from None


def _beginning(line: bytes) -> str:
    return line[:2000].decode("utf-8", "replace").rstrip("\r\n")
