"""What a file is, told by its content: an extension may be wrong."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from labeling.intake.readers import (
    COLUMNS,
    MAX_LINE_BYTES,
    BadLine,
    FileRefused,
    Format,
    csv_records,
    jsonl,
)
from labeling.intake.readers import parquet as parquet_rows
from labeling.intake.readers.csv_records import heading_of
from labeling.intake.readers.lines import Lines, decoded

FORMATS: dict[str, Format] = {
    "jsonl": jsonl.FORMAT,
    "csv": csv_records.FORMAT,
    "parquet": parquet_rows.FORMAT,
}

_OTHERS = {
    b"\x1f\x8b": "is compressed with gzip: unpack it first",
    b"\x28\xb5\x2f\xfd": "is compressed with Zstandard: unpack it first",
    b"PK\x03\x04": "is a ZIP archive or a spreadsheet: unpack it, or save it as CSV (UTF-8)",
    b"%PDF": "is a PDF",
    b"\xff\xfe": "is UTF-16: save it as UTF-8",
    b"\xfe\xff": "is UTF-16: save it as UTF-8",
    b"ARROW1": "is an Arrow file: save it as Parquet",
}


def sniff(path: Path, name: str = "", columns: Collection[str] = COLUMNS) -> str:
    """The name of the format, one of FORMATS. Raises FileRefused for what is none of them.

    `name` counts only where the content could be either.
    """
    with path.open("rb") as file:
        head = file.read(8)
    if head.startswith(b"PAR1"):
        return "parquet"
    for magic, words in _OTHERS.items():
        if head.startswith(magic):
            raise FileRefused(f"The file {words}.")
    first = _first_line(path)
    if first.startswith("["):
        raise FileRefused("The file is one JSON array: write one object a line instead.")
    if first.startswith("{"):
        return "jsonl"
    if heading_of(first, columns) or (name or path.name).lower().endswith((".csv", ".tsv")):
        return "csv"
    return "jsonl"


def _first_line(path: Path) -> str:
    """The first line that says something; of one that cannot be read, nothing."""
    for line in Lines(path):
        if line.strip():
            try:
                return decoded(line[:MAX_LINE_BYTES]).lstrip()
            except BadLine:
                return line[:1].decode("ascii", "replace")
    raise FileRefused("The file is empty.")
