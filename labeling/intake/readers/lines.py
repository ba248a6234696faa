"""Lines of a text file as they stand on disk, none longer than a megabyte, decoded or named bad."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from labeling.intake.readers import COLUMNS, MAX_LINE_BYTES, SHOWN, BadLine

_BOM = b"\xef\xbb\xbf"


class Lines:
    """The lines from a byte on; `offset` is where the next one begins.

    Of a line that is too long only the beginning is kept.
    """

    def __init__(self, path: Path, offset: int = 0) -> None:
        self.path = path
        self.offset = offset

    def __iter__(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            file.seek(self.offset)
            while line := file.readline(MAX_LINE_BYTES + 1):
                first, read = self.offset == 0, line
                while len(read) > MAX_LINE_BYTES and not read.endswith(b"\n"):
                    read = file.readline(MAX_LINE_BYTES + 1)
                self.offset = file.tell()
                yield line.removeprefix(_BOM) if first else line


def decoded(line: bytes) -> str:
    """The text of a line. Raises BadLine."""
    if len(line) > MAX_LINE_BYTES:
        raise BadLine(f"line is longer than {MAX_LINE_BYTES:,} bytes")
    if b"\0" in line:
        raise BadLine("line holds a NUL")
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadLine(f"line is not UTF-8 (byte {error.start + 1})") from None


def beginning(line: bytes) -> str:
    """What is shown of a bad line."""
    text = line[:SHOWN].decode("utf-8", "replace").rstrip("\r\n")
    return text.replace("\0", "\ufffd")


def size(path: Path, columns: Collection[str] = COLUMNS) -> int:
    """How much there is to read, in bytes."""
    return path.stat().st_size
