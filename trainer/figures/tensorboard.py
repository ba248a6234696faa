"""Curves as a TensorBoard event file: scalar summaries in TFRecord framing. Pure.

The format is small and settled, so it is written here: an `Event` message of protocol buffers a
step, each framed by its length and masked CRC-32C checksums (TensorFlow's event.proto,
summary.proto and record_writer.cc).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

Step = tuple[int, datetime, Mapping[str, float | None]]

_POLYNOMIAL = 0x82F63B78  # Castagnoli's, reflected
_MASK = 0xA282EAD8


def event_file(steps: Iterable[Step]) -> bytes:
    """The file's bytes: its version, then an event a step with every value that is a number."""
    return b"".join(_record(event) for event in _events(steps))


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli) of some bytes."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def _events(steps: Iterable[Step]) -> Iterator[bytes]:
    written = False
    for step, at, values in steps:
        if not written:
            yield _double(1, at.timestamp()) + _text(3, "brain.Event:2")
            written = True
        summary = b"".join(
            _bytes(1, _text(1, name) + _float(2, value))
            for name, value in values.items()
            if value is not None
        )
        yield _double(1, at.timestamp()) + _whole(2, step) + _bytes(5, summary)


def _record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + _checksum(length) + data + _checksum(data)


def _checksum(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + _MASK) & 0xFFFFFFFF)


def _entry(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (_POLYNOMIAL if byte & 1 else 0)
    return byte


_TABLE = tuple(map(_entry, range(256)))


# Fields of protocol buffers: number and wire type, then the value.
def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _whole(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _double(field: int, value: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", value)


def _float(field: int, value: float) -> bytes:
    return _varint(field << 3 | 5) + struct.pack("<f", value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())
