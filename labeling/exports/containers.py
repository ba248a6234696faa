"""JSON lines made into Parquet or CSV, a few thousand lines at a time.

The same lines give the same bytes: groups of rows are cut at fixed numbers.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Schema = Mapping[str, str]

ROW_GROUP = 5000
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_parquet(lines: Path, out: Path, schema: Schema) -> None:
    """One row group for every 5000 lines."""
    import pyarrow as pa  # a second of loading, for those who ask for Parquet alone
    import pyarrow.parquet as pq

    arrow = _arrow(schema)
    with pq.ParquetWriter(out, arrow, compression="zstd") as writer:
        for group in _groups(lines):
            writer.write_table(pa.Table.from_pylist(group, arrow))


def write_csv(lines: Path, out: Path, schema: Schema) -> None:
    """A heading and a record a line; lists stand as JSON in their cell."""
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(schema)
        for group in _groups(lines):
            writer.writerows([cell(row[name]) for name in schema] for row in group)


def cell(value: Any) -> Any:
    """A value as a CSV cell. A text that a spreadsheet would calculate gets an apostrophe before
    it, as OWASP's page on CSV injection advises."""
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


def _groups(lines: Path) -> Iterator[list[Row]]:
    with lines.open("rb") as file:
        rows = map(json.loads, file)
        while group := list(islice(rows, ROW_GROUP)):
            yield group


def _arrow(schema: Schema) -> Any:
    import pyarrow as pa

    plain = {"string": pa.string(), "int64": pa.int64(), "double": pa.float64(), "bool": pa.bool_()}
    message = pa.struct([("role", pa.string()), ("content", pa.string())])
    types = {
        **plain,
        "list<string>": pa.list_(pa.string()),
        "list<int64>": pa.list_(pa.int64()),
        "list<bool>": pa.list_(pa.bool_()),
        "list<list<string>>": pa.list_(pa.list_(pa.string())),
        "list<struct<role: string, content: string>>": pa.list_(message),
    }
    return pa.schema([(name, types[kind]) for name, kind in schema.items()])
