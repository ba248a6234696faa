"""Keeps the programs of one machine running until it is told to stop: what `up` stands on.

A program that ends is started again, later and later when it keeps ending. SIGTERM, SIGINT or
SIGHUP stop every program with its whole process group. Should the supervisor itself be killed,
the kernel tells the programs to stop. Orphans below it are adopted and reaped.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

_STOP = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
_TICK_SECONDS = 0.5
_GRACE_SECONDS = 15.0
_LONGEST_PAUSE_SECONDS = 30.0
_SET_PARENT_DEATH_SIGNAL, _SET_CHILD_SUBREAPER = 1, 36

logger = logging.getLogger(__name__)


@dataclass
class Program:
    """A command kept running in its own process group, with `environment` on top of ours.

    `pause` is the least time between two starts, in seconds; it grows while the program keeps
    ending.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    niceness: int = 0
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    started_at: float = field(default=0.0, init=False)
    pause: float = field(default=0.0, init=False)

    def start(self) -> None:
        """Start it now."""
        supervisor = os.getpid()
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **self.environment},
            start_new_session=True,
            preexec_fn=lambda: self._prepare(supervisor),
        )

    def keep(self) -> None:
        """Start it again when it has ended and the pause since its last start is over."""
        if self.process is None or self.process.poll() is None:
            return
        lived = time.monotonic() - self.started_at
        if lived > _LONGEST_PAUSE_SECONDS:
            self.pause = 0.0
        if lived >= self.pause:
            logger.warning("%s ended (%s); starting it again", self.name, self.process.returncode)
            self.kill()
            self.pause = min(2 * self.pause + 1, _LONGEST_PAUSE_SECONDS)
            self.start()

    def ask_to_stop(self) -> None:
        """Tell it, and leave its children to it."""
        if self.process:
            self.process.terminate()

    def kill(self) -> None:
        """Kill what is left of it and of its process group."""
        if self.process:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def _prepare(self, supervisor: int) -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP)
        os.nice(self.niceness)
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
            if os.getppid() != supervisor:
                os._exit(1)  # the supervisor died before the kernel knew whom to tell


def supervise(programs: Sequence[Program], *, on_tick: Callable[[], object]) -> None:
    """Run the programs until a stop signal comes, calling `on_tick` about twice a second."""
    _adopt_orphans()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOP)
    try:
        for program in programs:
            program.start()
        while signal.sigtimedwait(_STOP, _TICK_SECONDS) is None:
            for program in programs:
                program.keep()
            _reap(programs)
            on_tick()
    finally:
        _stop(programs)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _stop(programs: Sequence[Program]) -> None:
    for program in programs:
        program.ask_to_stop()
    deadline = time.monotonic() + _GRACE_SECONDS
    while any(p.process and p.process.poll() is None for p in programs):
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    for program in programs:
        program.kill()
    _reap(programs)


def _adopt_orphans() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1)


def _reap(programs: Sequence[Program]) -> None:
    """Collect ended children that are nobody's; the programs' own are left to their Popen."""
    own = {program.process.pid for program in programs if program.process}
    with suppress(ChildProcessError):
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if ended.si_pid in own:
                return  # seen again, and collected, at the next tick
            os.waitpid(ended.si_pid, 0)
