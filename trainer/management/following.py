"""Waiting for a round on a terminal: a bar where there is one, plain lines where there is not."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType

from tqdm import tqdm

from trainer.models import TrainingRound, TrainingRun
from trainer.runs.missing_workers import Absence, absence

_POLL_SECONDS = 0.5
_LOOKS_BETWEEN = 20  # a worker that just started has time to say so
_OPEN = {TrainingRound.State.QUEUED, TrainingRound.State.RUNNING, TrainingRound.State.PAUSED}

Say = Callable[[str], None]


def follow(round: TrainingRound, say: Say) -> TrainingRound:
    """Return the round once it has ended, telling of its stages meanwhile, and of workers that are
    missing."""
    told: Absence | None = None
    looks = 0
    with _Bars(say) as bars:
        while round.state in _OPEN:
            time.sleep(_POLL_SECONDS)
            round.refresh_from_db()
            for run in round.runs.all():
                bars.show(run)
            looks += 1
            if looks % _LOOKS_BETWEEN == 0 and (missing := absence()) != told:
                told = missing
                say(f"{missing.text} {missing.command}" if missing else "The workers are there.")
    return round


class _Bars:
    """One bar a stage on a terminal, one line a stage's end without."""

    def __init__(self, say: Say) -> None:
        self.say = say
        self.terminal = sys.stderr.isatty()
        self.bars: dict[str, tqdm] = {}
        self.told: set[str] = set()

    def __enter__(self) -> _Bars:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for bar in self.bars.values():
            bar.close()

    def show(self, run: TrainingRun) -> None:
        """What is new about a run."""
        if self.terminal and run.total_steps:
            bar = self.bars.setdefault(
                run.stage, tqdm(desc=str(run.get_stage_display()), unit="step")
            )
            bar.total, bar.n = run.total_steps, run.step
            bar.refresh()
        if run.ended_at and run.state == run.State.FINISHED and run.stage not in self.told:
            self.told.add(run.stage)
            if not self.terminal and run.started_at:
                seconds = (run.ended_at - run.started_at).total_seconds()
                self.say(f"  {run.get_stage_display()}: {run.step} steps in {seconds:.0f} s")
