"""Files as they really are: wrong names, odd encodings, bombs; and reading on from any row."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labeling.intake.readers import Cursor, FileRefused, Row, parquet
from labeling.intake.readers.sniffing import FORMATS, sniff

LONG = "x" * 1_000_000
CHAT = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]


def _read(path: Path, cursor: Cursor | None = None) -> list[Row]:
    return list(FORMATS[sniff(path)].rows(path, cursor or Cursor()))


def _parquet(path: Path, rows: list[dict[str, Any]], **options: Any) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path, **options)
    return path


@pytest.mark.parametrize(
    ("content", "name", "wanted"),
    [
        (b'{"prompt": "Hi"}\n', "wrong.csv", "jsonl"),
        (b'\xef\xbb\xbf{"prompt": "Hi"}\n', "bom.csv", "jsonl"),
        (b"prompt,author\nHi,ada\n", "wrong.jsonl", "csv"),
        (b"\xef\xbb\xbfPrompt;Author\nHi;ada\n", "excel.txt", "csv"),
        (b"\n\nprompt\tauthor\nHi\tada\n", "tabs.json", "csv"),
        (b"who,what\nada,Hi\n", "unknown.csv", "csv"),
        (b"oops\n", "broken.jsonl", "jsonl"),
    ],
)
def test_the_content_says_what_a_file_is(
    tmp_path: Path, content: bytes, name: str, wanted: str
) -> None:
    (tmp_path / name).write_bytes(content)
    assert sniff(tmp_path / name) == wanted


def test_parquet_is_known_by_its_content(tmp_path: Path) -> None:
    path = _parquet(tmp_path / "wrong.csv", [{"prompt": "Hi"}])
    assert [row.value for row in _read(path)] == [{"prompt": "Hi"}]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x1f\x8b\x08\x00", "compressed with gzip"),
        (b"PK\x03\x04xl/workbook", "save it as CSV"),
        ("\ufeffprompt\nHi".encode("utf-16"), "UTF-16"),
        (b'[\n{"prompt": "Hi"}\n]', "one JSON array"),
        (b"  \n \n", "is empty"),
        (b"PAR1 but not really", "damaged or no Parquet"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_bytes(content)
    with pytest.raises(FileRefused, match=reason):
        _read(path)


def test_a_csv_file_without_a_known_column_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "prompts.csv"
    path.write_text("who,what\nada,Hi\n")
    with pytest.raises(FileRefused, match="prompt, text or messages"):
        _read(path)


def test_semicolons_and_upper_case_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "excel.csv"
    path.write_bytes(b"\xef\xbb\xbfPrompt;Use_Case\r\nHi, you;chat\r\n")
    assert [row.value for row in _read(path)] == [{"prompt": "Hi, you", "use_case": "chat"}]


def _files(tmp_path: Path) -> list[Path]:
    values = [{"prompt": f'Line\nof "{n}",', "author": "Ünï"} for n in range(40)]
    lines, cells = tmp_path / "a.jsonl", io.StringIO()
    lines.write_text("\n\n".join(map(json.dumps, values)), encoding="utf-8")
    writer = csv.DictWriter(cells, ["prompt", "author"])
    writer.writeheader()
    writer.writerows(values)
    (tmp_path / "a.csv").write_text(cells.getvalue(), encoding="utf-8")
    groups = _parquet(tmp_path / "a.parquet", values, row_group_size=7)
    return [lines, tmp_path / "a.csv", groups]


def test_reading_goes_on_after_any_row(tmp_path: Path) -> None:
    for path in _files(tmp_path):
        whole = _read(path)
        assert len(whole) == 40
        for at in range(40):
            assert _read(path, whole[at].after) == whole[at + 1 :], (path.name, at)


def test_nested_quotes_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('prompt,author\n"Say "hi" now",ada\nWhy?,ben\n')
    bad, good = _read(path)
    assert (bad.line, good.value["author"]) == (2, "ben")
    assert bad.error.startswith("row is not CSV")
    assert bad.text == '"Say "hi" now",ada'


@pytest.mark.parametrize("breaks", ["", "\n"])
def test_ten_million_characters_in_a_cell_are_named(tmp_path: Path, breaks: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f'prompt\nWhy?\n"{("x" * 1000 + breaks) * 10_000}"\nHow?\n')
    good, *bad = _read(path)
    assert good.value == {"prompt": "Why?"}
    assert "longer than 1,000,000" in bad[0].error


def test_mixed_encodings_are_named_by_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("prompt\nGrüße\n".encode() + "Grüße\n".encode("latin-1") + b"Hi\n")
    assert [(row.line, row.error) for row in _read(path)] == [
        (2, ""),
        (3, "line is not UTF-8 (byte 3)"),
        (4, ""),
    ]


def test_a_text_said_a_million_times_is_not_made_a_million_times(tmp_path: Path) -> None:
    """Twenty gigabytes in fifty kilobytes: every row is named, none is made."""
    said = pa.array([LONG + "x"])
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 20_000, pa.int32()), said)
    path = tmp_path / "bomb.parquet"
    pq.write_table(pa.table({"prompt": column}), path, store_schema=False)
    assert path.stat().st_size < 100_000
    rows = _read(path)
    assert len(rows) == 20_000
    assert {row.error for row in rows} == {"row is longer than 1,000,000 bytes"}


def test_a_long_conversation_in_parquet_is_named(tmp_path: Path) -> None:
    rows = [{"messages": CHAT}, {"messages": [{"role": "user", "content": LONG}] * 40}]
    good, bad = _read(_parquet(tmp_path / "a.parquet", rows))
    assert good.value == {"messages": CHAT}
    assert bad.error == "row is longer than 1,000,000 bytes"


def test_a_bomb_is_refused_by_its_footer(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(parquet, "MAX_GROUP_BYTES", 1_000_000)
    rows = [{"prompt": LONG[: n + 1000]} for n in range(2000)]
    path = _parquet(tmp_path / "bomb.parquet", rows, use_dictionary=False, compression="zstd")
    with pytest.raises(FileRefused, match="Row group 1 decodes to"):
        _read(path)


def test_a_column_of_countless_values_is_refused(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(parquet, "MAX_GROUP_VALUES", 1000)
    path = _parquet(tmp_path / "bomb.parquet", [{"messages": CHAT * 1000}])
    with pytest.raises(FileRefused, match="more than 1,000 values"):
        _read(path)


def test_columns_that_are_not_known_are_not_read(tmp_path: Path) -> None:
    path = _parquet(tmp_path / "a.parquet", [{"prompt": "Hi", "embedding": [0.5] * 100}])
    assert [row.value for row in _read(path)] == [{"prompt": "Hi"}]
