"""A checkpoint folder as one tar stream, so that a download needs no second copy on disk."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

_CHUNK = 1 << 20


def tar_stream(folder: Path, name: str, extra: dict[str, str]) -> Iterator[bytes]:
    """The files of `folder` below `name/`, then `extra` texts by file name; POSIX tar."""
    for path in sorted(p for p in folder.iterdir() if p.is_file() and p.name not in extra):
        info = tarfile.TarInfo(f"{name}/{path.name}")
        info.size, info.mtime = path.stat().st_size, int(path.stat().st_mtime)
        yield info.tobuf()
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk
        yield _padding(info.size)
    for title, text in extra.items():
        content = text.encode()
        info = tarfile.TarInfo(f"{name}/{title}")
        info.size = len(content)
        yield info.tobuf() + content + _padding(info.size)
    yield bytes(2 * tarfile.BLOCKSIZE)


def tar_size(folder: Path, extra: dict[str, str]) -> int:
    """Bytes of `tar_stream`, for a progress bar at the other end."""
    sizes = [p.stat().st_size for p in folder.iterdir() if p.is_file() and p.name not in extra]
    sizes += [len(text.encode()) for text in extra.values()]
    blocks = sum(1 + -(-size // tarfile.BLOCKSIZE) for size in sizes)
    return (blocks + 2) * tarfile.BLOCKSIZE


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)
