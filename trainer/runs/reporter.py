"""What a run writes while it works: metrics, samples, its heartbeat; and whether it should stop."""

from __future__ import annotations

import math
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from trainer.algorithms.contract import TrainingError
from trainer.models import Metric, Sample, TrainingRound, TrainingRun
from trainer.runs import machine_memory
from trainer.runs.log import RunLog, say

ASK_EVERY_SECONDS = 1.0


class LostRunError(Exception):
    """Another worker has taken the run up, because this one's heartbeat was too old."""


def worker_token() -> str:
    """A name for one execution: who holds a run, and nobody else ever."""
    return f"{socket.gethostname()}/{os.getpid()}/{uuid4().hex[:8]}"


class RunReporter:
    """The `Reporter` of an algorithm, writing to the run's rows while the worker still holds it."""

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
            self._hold(step=step, total_steps=total)
            if values := {**values, **machine_memory.metrics()} if values else {}:
                metric, _ = Metric.objects.get_or_create(
                    run=self.run, step=step, defaults={"values": {}}
                )
                metric.values |= {name: _storable(value) for name, value in values.items()}
                metric.save(update_fields=["values", "at"])

    def sample(self, step: int, rows: list[dict[str, Any]]) -> None:
        """Keep what the model said; the rows of a step that is done again replace the first."""
        with transaction.atomic():
            self._hold()
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
        """Whether the round was paused or cancelled, asked at most once a second."""
        if not self._stop and time.monotonic() - self._asked_at >= ASK_EVERY_SECONDS:
            self._asked_at = time.monotonic()
            self._hold()
            running = TrainingRound.State.RUNNING
            self._stop = not TrainingRound.objects.filter(
                pk=self.run.round_id, state=running
            ).exists()
        return self._stop

    def _hold(self, **changes: Any) -> None:
        """Write to the run if it is still this worker's. Raises LostRunError."""
        if not held(self.run).update(heartbeat_at=timezone.now(), **changes):
            raise LostRunError(f"run {self.run.pk} went to another worker")


def held(run: TrainingRun) -> Any:
    """The run's row, as long as this worker holds it."""
    return TrainingRun.objects.filter(pk=run.pk, worker=run.worker, state=TrainingRun.State.RUNNING)


@contextmanager
def heartbeat(run: TrainingRun) -> Iterator[None]:
    """Keep the run's heartbeat fresh, through long steps too."""
    with beating(lambda: held(run).update(heartbeat_at=timezone.now())):
        yield


@contextmanager
def beating(beat: Callable[[], int]) -> Iterator[None]:
    """Call `beat` from a thread of its own every few seconds, until it finds no row any more."""
    over = threading.Event()

    def go() -> None:
        try:
            while not over.wait(settings.RUN_HEARTBEAT_SECONDS):
                try:
                    if not beat():
                        return
                except DatabaseError:  # a database that restarts; the lease outlasts a few beats
                    connection.close()
        finally:
            connection.close()

    thread = threading.Thread(target=go, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


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
