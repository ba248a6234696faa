"""What a run writes while it works: metrics and samples; and whether it should stop."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from django.db import transaction

from core.stopping import stopping
from trainer.algorithms.contract import TrainingError
from trainer.jobs import RUNS
from trainer.models import Metric, Sample, TrainingRound, TrainingRun
from trainer.runs import machine_memory
from trainer.runs.log import RunLog, say

ASK_EVERY_SECONDS = 1.0


class RunReporter:
    """The `Reporter` of an algorithm, writing to the run's rows while the worker still holds it.

    Each method raises Lost when it does not any more.
    """

    def __init__(self, run: TrainingRun, log: RunLog | None = None) -> None:
        self.run = run
        self.log = log or RunLog(run)
        self._asked_at = 0.0
        self._stop = False

    def metrics(self, step: int, total: int, values: Mapping[str, float]) -> None:
        """Keep one step's figures and the memory used, joined with what is there: a step may be
        reported twice."""
        _require_finite_losses(step, values)
        if values:
            self.log.progress(step, total, values)
        with transaction.atomic():
            RUNS.keep(self.run, step=step, total_steps=total)
            if values := {**values, **machine_memory.metrics()} if values else {}:
                metric, _ = Metric.objects.get_or_create(
                    run=self.run, step=step, defaults={"values": {}}
                )
                metric.values |= {name: _storable(value) for name, value in values.items()}
                metric.save(update_fields=["values", "at"])

    def sample(self, step: int, rows: list[dict[str, Any]]) -> None:
        """Keep what the model said; the rows of a step that is done again replace the first."""
        with transaction.atomic():
            RUNS.keep(self.run)
            self.run.samples.filter(step=step).delete()
            Sample.objects.bulk_create(
                Sample(
                    run=self.run,
                    step=step,
                    position=position,
                    prompt=_printable(row["prompt"]),
                    text=_printable(row["response"]),
                    score=None if row.get("score") is None else _storable(row["score"]),
                )
                for position, row in enumerate(rows)
            )
        say(self.run, f"{len(rows)} samples at step {step}.")

    def should_stop(self) -> bool:
        """Whether the worker is to stop, or the round was paused or cancelled.

        Of the round it is asked once a second at most.
        """
        if stopping():
            return True
        if not self._stop and time.monotonic() - self._asked_at >= ASK_EVERY_SECONDS:
            self._asked_at = time.monotonic()
            RUNS.keep(self.run)
            running = TrainingRound.State.RUNNING
            self._stop = not TrainingRound.objects.filter(
                pk=self.run.round_id, state=running
            ).exists()
        return self._stop


def _require_finite_losses(step: int, values: Mapping[str, float]) -> None:
    for name, value in values.items():
        if not math.isfinite(value) and ("loss" in name or "grad_norm" in name):
            raise TrainingError(
                f"{name} became {value} at step {step}. Retry the stage with a lower learning "
                "rate; the stages before it stay as they are."
            )


def _printable(text: str) -> str:
    """A model may say anything; PostgreSQL stores every character but NUL."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _storable(value: float) -> float | None:
    """JSON knows no NaN and no infinity."""
    return float(value) if math.isfinite(value) else None
