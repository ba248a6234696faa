"""Whether this worker was asked to stop. Knows no Django: it is there before a worker forks."""

from __future__ import annotations

import mmap
import signal

# Shared memory: what the signal handler of the main process writes is read by the process that
# works, without a lock that a handler could wait for for ever.
_asked = mmap.mmap(-1, 1)


def stopping() -> bool:
    """Whether what this worker has in hand is to be saved and released."""
    return bool(_asked[0])


def stop() -> None:
    """Ask this worker, with the processes that it has forked, to stop."""
    _asked[0] = 1


def stop_on_sigterm() -> None:
    """Let a SIGTERM ask this process to stop, and a second one end it."""

    def asked(*_: object) -> None:
        stop()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    signal.signal(signal.SIGTERM, asked)
