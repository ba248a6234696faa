"""Log records that repeat are counted, not written: a fault that lasts must not fill the disk."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Hashable
from dataclasses import dataclass

_WINDOW_SECONDS = 60.0
_KNOWN = 1000


@dataclass
class _Seen:
    until: float
    written: int = 0
    held_back: int = 0


class CountRepeats(logging.Filter):
    """Lets a record of one kind through `few` times a minute; the next one says what was left out.

    Records are of one kind when the same line of code logs them about errors of one type.
    """

    def __init__(self, few: int = 10) -> None:
        super().__init__()
        self._few = few
        self._seen: dict[Hashable, _Seen] = {}
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write the record; with how many like it were not."""
        if record.levelno < logging.WARNING:
            return True
        error = record.exc_info[0] if record.exc_info else None
        with self._lock:
            left_out = self._left_out((record.name, record.levelno, str(record.msg), error))
        if left_out:
            message = f"{record.getMessage()} ({left_out:,} more like this were left out)"
            record.msg, record.args = message, ()
        return left_out is not None

    def _left_out(self, kind: Hashable) -> int | None:
        """How many were held back before this one; None to hold this one back too."""
        now = time.monotonic()
        seen = self._seen.get(kind)
        if seen is None or now >= seen.until:
            if len(self._seen) >= _KNOWN:
                self._seen.clear()
            self._seen[kind] = _Seen(now + _WINDOW_SECONDS, written=1)
            return seen.held_back if seen else 0
        if seen.written < self._few:
            seen.written += 1
            return 0
        seen.held_back += 1
        return None
