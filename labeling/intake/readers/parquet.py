"""Parquet, a few rows at a time. What a file would decode to is looked at before it is decoded.

Texts are read as dictionaries, so that a million rows of one long text do not become a million
texts; a batch is made into texts only when it is known how long these are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from labeling.intake.readers import COLUMNS, MAX_LINE_BYTES, Cursor, FileRefused, Format, Row

MAX_GROUP_BYTES = 512 * 2**20
MAX_GROUP_VALUES = 20_000_000
MAX_FILE_BYTES = 64 * 2**30
_MAX_FOOTER_TEXT = 16 * 2**20
_BATCH = 256
_BATCH_BYTES = 8 * 2**20


def rows(path: Path, cursor: Cursor, columns: Collection[str] = COLUMNS) -> Iterator[Row]:
    """The rows from a place on, each `{column: value}` of the columns that are known."""
    import pyarrow as pa  # a second of loading, for those who bring Parquet alone

    try:
        yield from _rows(path, cursor, columns)
    except (pa.ArrowException, OSError) as error:
        raise FileRefused(f"The file is damaged or no Parquet: {error}") from None


def _rows(path: Path, cursor: Cursor, known: Collection[str]) -> Iterator[Row]:
    file, columns = _opened(path, known)
    first = 0
    for group in range(file.metadata.num_row_groups):
        count = file.metadata.row_group(group).num_rows
        if first + count > cursor.offset:
            number = first
            for batch in file.iter_batches(_BATCH, [group], columns):
                for value in _values(batch, skip=cursor.offset - number):
                    number = max(number, cursor.offset) + 1
                    yield _row(number, value)
                number = max(number, min(cursor.offset, number + batch.num_rows))
        first += count


def total(path: Path, columns: Collection[str] = COLUMNS) -> int:
    """How many rows there are."""
    import pyarrow as pa

    try:
        return int(_opened(path, columns)[0].metadata.num_rows)
    except (pa.ArrowException, OSError) as error:
        raise FileRefused(f"The file is damaged or no Parquet: {error}") from None


def _opened(path: Path, known: Collection[str]) -> tuple[Any, list[str]]:
    import pyarrow.parquet as pq

    footer = {"thrift_string_size_limit": _MAX_FOOTER_TEXT}
    metadata = pq.read_metadata(path)
    columns = [name for name in metadata.schema.to_arrow_schema().names if name in known]
    if not columns:
        raise FileRefused(
            "No column is known: there has to be one called prompt, text or messages."
        )
    _refuse_bombs(metadata, columns)
    texts = [path for path, kind in _leaves(metadata) if kind == "BYTE_ARRAY"]
    opened = pq.ParquetFile(
        path, read_dictionary=texts, buffer_size=2**20, pre_buffer=False, **footer
    )
    return opened, columns


def _leaves(metadata: Any) -> list[tuple[str, str]]:
    schema = metadata.schema
    return [(schema.column(at).path, schema.column(at).physical_type) for at in range(len(schema))]


def _refuse_bombs(metadata: Any, columns: list[str]) -> None:
    """Raise FileRefused where the footer promises more than is read."""
    every = 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        chunks = [group.column(at) for at in range(group.num_columns)]
        wanted = [chunk for chunk in chunks if chunk.path_in_schema.split(".")[0] in columns]
        size = sum(chunk.total_uncompressed_size for chunk in wanted)
        every += size
        if size > MAX_GROUP_BYTES or every > MAX_FILE_BYTES:
            raise FileRefused(
                f"Row group {number + 1} decodes to {size / 2**20:,.0f} MiB, {every / 2**20:,.0f} "
                f"MiB with those before it; at most {MAX_GROUP_BYTES / 2**20:,.0f} MiB a group and "
                f"{MAX_FILE_BYTES / 2**20:,.0f} MiB in all are read."
            )
        if any(chunk.num_values > MAX_GROUP_VALUES for chunk in wanted):
            raise FileRefused(
                f"Row group {number + 1} holds more than {MAX_GROUP_VALUES:,} values in a column; "
                "write smaller row groups."
            )


def _values(batch: Any, skip: int) -> Iterator[Any]:
    """The rows of a batch but the first ones; None for one that is too long to be made."""
    batch = batch.slice(max(0, skip))
    if sum(map(_decoded_bytes, batch.columns)) <= _BATCH_BYTES:
        yield from batch.to_pylist()
        return
    for at in range(batch.num_rows):
        one = batch.slice(at, 1)
        long = sum(map(_decoded_bytes, one.columns)) > MAX_LINE_BYTES
        yield None if long else one.to_pylist()[0]


def _row(number: int, value: Any) -> Row:
    after = Cursor(number, number)
    if value is None:
        return Row(number, after, error=f"row is longer than {MAX_LINE_BYTES:,} bytes")
    return Row(number, after, {name: cell for name, cell in value.items() if cell is not None})


def _decoded_bytes(array: Any) -> int:
    """How much an array's values take once each is made, without making them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = array.type
    if pa.types.is_dictionary(kind):
        lengths = pc.binary_length(array.dictionary)
        return int(pc.sum(lengths.take(array.indices)).as_py() or 0) + 8 * len(array)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _decoded_bytes(array.flatten()) + 8 * len(array)
    if pa.types.is_struct(kind):
        return sum(map(_decoded_bytes, array.flatten()))
    return int(array.nbytes)


FORMAT = Format(rows, total)
