"""The frame around every run: take up the saved state, step, save, report, stop when asked."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from models_service.lm.cpu import malloc
from trainer.algorithms.contract import Reporter
from trainer.algorithms.distributed.group import Crew
from trainer.algorithms.resume import State, States


class Clock:
    """Where the time of a step goes, by name; nested measurements count in both."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Add the block's wall-clock seconds to `time/<name>`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - start
            # Kernels of a GPU run on after their calls return: what is measured there ends where
            # its results are read, which every block does that is measured here.
            self._seconds[f"time/{name}"] = self._seconds.get(f"time/{name}", 0.0) + spent

    def take(self) -> dict[str, float]:
        """Seconds since the last call."""
        taken, self._seconds = self._seconds, {}
        return taken


class Job(Protocol):
    """What an algorithm gives to the frame. Its state is all that `step` depends on."""

    total: int
    done: bool
    clock: Clock

    def step(self, step: int) -> dict[str, float]:
        """Do step number `step` (0-based) and return its metrics."""

    def tensors(self) -> Mapping[str, Tensor]:
        """The tensors of the present state."""

    def values(self) -> Mapping[str, Any]:
        """The rest of it, as JSON values."""

    def restore(self, state: State) -> None:
        """Take up a saved state."""


@dataclass(frozen=True)
class Ended:
    """After how many steps, and whether because it was asked to."""

    step: int
    stopped: bool


# Around the whole run and no longer: memory kept by a worker that waits is taken from the others.
@malloc.kept()
def run(job: Job, states: States, report: Reporter, every: int, crew: Crew) -> Ended:
    """Step from the newest state to the end, saving after each `every` steps and before leaving."""
    state = states.latest()
    if state is not None:
        job.restore(state)
    step = saved = state.step if state else 0
    while step < job.total and not job.done:
        # The first process's answer for all: asked at slightly other moments they would answer
        # differently, and one would leave the others waiting in a pass.
        if crew.agree(report.should_stop()):
            # Stopped right after a save, or before its first step, it has nothing new to keep.
            if saved != step:
                _save(job, states, step, crew)
            return Ended(step, stopped=True)
        metrics = job.step(step)
        step += 1
        # Reported before it is saved: a run killed in between repeats the step, and loses none.
        _tell(job, report, step, metrics, crew)
        # At the end as well: what follows (evaluation, export, folds) may be killed, and then
        # begins from here.
        if step % every == 0 or step == job.total or job.done:
            with job.clock.measure("checkpoint"):
                _save(job, states, step, crew)
            saved = step
            # The seconds that saving took are known only now; they are told under the same step.
            _tell(job, report, step, {}, crew)
    return Ended(step, stopped=False)


def _tell(job: Job, report: Reporter, step: int, metrics: Mapping[str, float], crew: Crew) -> None:
    # Taken in every process, so that clocks do not run on where nothing is reported.
    times = job.clock.take()
    if crew.is_first:
        report.metrics(step, job.total, {**metrics, **times})


def _save(job: Job, states: States, step: int, crew: Crew) -> None:
    # Every process takes part in putting shards together, though one writes.
    tensors = crew.whole(job.tensors())
    if crew.is_first:
        states.save(step, tensors, job.values())
    # No process is a step ahead of what is on disk.
    crew.wait()
