"""TensorBoard's event files, read back by an independent reader of the format."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from trainer.figures.tensorboard import crc32c, event_file

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)


def plain_crc32c(data: bytes) -> int:
    """Bit by bit, as the definition has it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x82F63B78 * (crc & 1)
    return crc ^ 0xFFFFFFFF


def records(data: bytes) -> Iterator[bytes]:
    """The framed messages, every checksum checked."""
    while data:
        length = int.from_bytes(data[:8], "little")
        body = data[12 : 12 + length]
        for part, place in ((data[:8], 8), (body, 12 + length)):
            (masked,) = struct.unpack_from("<I", data, place)
            rotated = (masked - 0xA282EAD8) & 0xFFFFFFFF
            assert (rotated >> 17 | rotated << 15) & 0xFFFFFFFF == plain_crc32c(part)
        yield body
        data = data[16 + length :]


def fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Number and value of every field of a message of protocol buffers."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
            continue
        size = {1: 8, 5: 4}.get(key & 7) or varint()
        value: Any = message[at : at + size]
        at += size
        if key & 7 in (1, 5):
            (value,) = struct.unpack("<d" if size == 8 else "<f", value)
        yield key >> 3, value


def scalars(data: bytes) -> list[tuple[float, int, dict[str, float]]]:
    """Moment, step and values of every summary in a file."""
    found = []
    for record in records(data):
        event = dict(fields(record))
        if 5 in event:
            values = [dict(fields(value)) for _, value in fields(event[5])]
            found.append((event[1], event[2], {v[1].decode(): v[2] for v in values}))
    return found


def test_what_is_written_is_read_back() -> None:
    steps = [
        (1, AT, {"objective/kl": 0.5, "lr": 0.25}),
        (300, AT, {"objective/kl": -2.0, "none": None}),
    ]
    data = event_file(steps)
    assert b"brain.Event:2" in next(records(data))
    assert scalars(data) == [
        (AT.timestamp(), 1, {"objective/kl": 0.5, "lr": 0.25}),
        (AT.timestamp(), 300, {"objective/kl": -2.0}),
    ]
    assert event_file([]) == b""


@pytest.mark.parametrize(
    ("data", "crc"), [(b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA), (b"", 0)]
)
def test_the_checksum_is_castagnoli_s(data: bytes, crc: int) -> None:
    """Vectors of RFC 3720, appendix B.4."""
    assert crc32c(data) == plain_crc32c(data) == crc
