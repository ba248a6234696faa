"""The log of a run, line by line in the database, where its page reads it.

What the run says itself is told with `say`; warnings of any library that are raised meanwhile in
the same thread come along.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from django.db import DatabaseError
from django.utils import timezone

from trainer.models import LogLine, TrainingRun

KEPT = 1000
PROGRESS_EVERY_SECONDS = 15.0
_LONGEST = 2000
_TELLING = ("objective/scores", "objective/kl")


class RunLog(logging.Handler):
    """Writes a run's lines, and forgets the oldest."""

    def __init__(self, run: TrainingRun) -> None:
        super().__init__(logging.WARNING)
        self.run = run
        self._thread = threading.get_ident()
        self._progress_at = 0.0

    def progress(self, step: int, total: int, values: Mapping[str, float | None]) -> None:
        """Say where the run is, now and then: its losses and its reward."""
        if time.monotonic() - self._progress_at < PROGRESS_EVERY_SECONDS and step < total:
            return
        self._progress_at = time.monotonic()
        told = [
            f"{name} {value:.4g}"
            for name, value in values.items()
            if value is not None
            and ("loss" in name or name in ("objective/scores", "objective/kl"))
        ]
        what = f": {', '.join(told)}" if told else ""
        say(self.run, f"Step {step} of {total}{what}.")

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread and record.name != __name__:
            say(self.run, f"{record.name}: {record.getMessage()}", record.levelname)


def say(run: TrainingRun, text: str, level: str = "INFO") -> None:
    """Write one line. The log is no reason for a run to fail."""
    text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")[:_LONGEST]
    try:
        LogLine.objects.create(run=run, level=level, text=text, at=timezone.now())
    except DatabaseError:
        logging.getLogger(__name__).warning("A line of run %s was lost: %s", run.pk, text)


@contextmanager
def logged(run: TrainingRun) -> Iterator[RunLog]:
    """Keep a log of the run for as long as the block lasts."""
    log = RunLog(run)
    logging.getLogger().addHandler(log)
    try:
        yield log
    finally:
        logging.getLogger().removeHandler(log)
        _prune(run)


def _prune(run: TrainingRun) -> None:
    newest = LogLine.objects.filter(run=run).order_by("-id").values("pk")[KEPT : KEPT + 1]
    for oldest_to_go in newest:
        LogLine.objects.filter(run=run, pk__lte=oldest_to_go["pk"]).delete()
