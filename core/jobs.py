"""Long work as jobs: one protocol for whatever a worker takes up, works on for a while and ends.

A model is a job by the fields of `Job` and a `state`; `Jobs` moves its rows by compare-and-set, so
that of two workers the later one finds nothing to do. A worker holds a job by a name that no other
execution ever has, and says with its heartbeat that it lives. One that falls silent has died; its
job is free again, and so is at once the job of a worker that was asked to stop and released it.

Deaths are counted, so that work that kills its worker every time ends with a sentence. Only those
count that came one after the other without anything being saved in between, and being asked to
stop is none.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import uuid4

from django.conf import settings
from django.db import DatabaseError, connection, models
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from core.states import Move
from core.stopping import stopping

MOST_DEATHS = 5


class Lost(Exception):
    """The job is not this worker's any more: another one took it up, or somebody ended it."""


class Stopped(Exception):
    """The worker was asked to stop; what it has in hand is to be released."""


class Job(models.Model):
    """The fields of a job, beside its `state`, `failure` and `ended_at`.

    `attempts` counts how often it was taken up since something was last saved, and `saved` says
    what was saved when it was last taken up.
    """

    worker = models.CharField(max_length=200, blank=True, default="", db_default="")
    heartbeat_at = models.DateTimeField(default=timezone.now, editable=False)
    attempts = models.PositiveSmallIntegerField(default=0, db_default=0)
    saved = models.CharField(max_length=200, blank=True, default="", db_default="", editable=False)

    class Meta:
        abstract = True


J = TypeVar("J", bound=Job)


@dataclass(frozen=True)
class Jobs(Generic[J]):
    """The jobs of one model, by the moves of one kind of work.

    `take` goes from what waits, and from its own target, which is under way; the others from that.
    `saved` names what the next worker can go on from, "" where it has to begin anew; `died` is the
    sentence for work whose worker has died too often.
    """

    model: type[J]
    take: Move
    done: Move
    broken: Move
    back: Move
    died: str
    saved: Callable[[J], str] = lambda job: ""

    def claim(self, pk: int, *where: Q, **values: Any) -> J | None:
        """Take up a job that nobody works on, where it fulfils `where`; None when there is none.

        One whose workers died too often is failed instead.
        """
        waits = ~Q(state=self.take.target) | Q(worker="")
        free = waits | Q(heartbeat_at__lt=silent_since())
        rows = self._rows().filter(free, *where, pk=pk)
        mark = {"worker": token(), "heartbeat_at": Now(), "attempts": F("attempts") + 1}
        if not self.take.apply(rows, **mark, **values):
            return None
        job = self._rows().get(pk=pk)
        if (saved := self.saved(job)) != job.saved:
            job.saved, job.attempts = saved, 1
            self.beat(job, saved=saved, attempts=1)
        if job.attempts > MOST_DEATHS:
            self.fail(job, self.died)
            return None
        return job

    def held(self, job: J) -> QuerySet[J]:
        """The job's row, as long as this worker holds it."""
        return self._rows().filter(pk=job.pk, worker=job.worker, state=self.take.target)

    def beat(self, job: J, **values: Any) -> bool:
        """Say that the worker lives, and write down what else there is; whether it still holds it.

        A worker that was asked to stop takes its attempt back already now: it may be killed before
        it gets to release the job.
        """
        if stopping():
            values["attempts"] = job.attempts - 1
        return bool(self.held(job).update(heartbeat_at=Now(), **values))

    def keep(self, job: J, **values: Any) -> None:
        """The same where there is no going on without. Raises Lost."""
        if not self.beat(job, **values):
            raise Lost(f"{job} went to another worker, or was ended.")

    def report(self, job: J, **values: Any) -> None:
        """The same where the work may be left. Raises Lost, and Stopped when asked to stop."""
        self.keep(job, **values)
        if stopping():
            raise Stopped

    @contextmanager
    def beating(self, job: J) -> Iterator[None]:
        """Keep the heartbeat fresh through the block, however long its steps."""
        with beating(lambda: self.beat(job)):
            yield

    def finish(self, job: J, **values: Any) -> bool:
        """Record what came out, if it is still this worker's to say; whether it was."""
        return bool(self.done.apply(self.held(job), worker="", **values))

    def fail(self, job: J, failure: str) -> bool:
        """Record why it failed, if it is still this worker's to say; whether it was."""
        moved = self.broken.apply(self.held(job), worker="", failure=failure, ended_at=Now())
        return bool(moved)

    def release(self, job: J, *where: Q) -> bool:
        """Give it back for the next worker, as if it had not been taken up; whether it was."""
        rows, attempts = self.held(job).filter(*where), job.attempts - 1
        return bool(self.back.apply(rows, worker="", heartbeat_at=Now(), attempts=attempts))

    def waits(self, pk: int) -> bool:
        """Whether it is to be done and nobody works on it."""
        return self._open().filter(pk=pk, worker="").exists()

    def lost(self, *where: Q) -> list[int]:
        """Ids of the jobs that nobody works on although they have been there for a while: their
        message was lost, or their worker died. The caller sends them again."""
        rows = self._open().filter(*where, heartbeat_at__lt=silent_since())
        found = list(rows.values_list("pk", "worker"))
        # What only waits is not sent again before the same while has passed once more.
        waiting = [pk for pk, worker in found if not worker]
        self._open().filter(pk__in=waiting, worker="").update(heartbeat_at=Now())
        return [pk for pk, _ in found]

    def _open(self) -> QuerySet[J]:
        return self._rows().filter(state__in=self.take.sources)

    def _rows(self) -> QuerySet[J]:
        return self.model._default_manager.all()


def token() -> str:
    """A name for one execution: who holds a job, and nobody else ever."""
    return f"{socket.gethostname()}/{os.getpid()}/{uuid4().hex[:8]}"


def silent_since() -> datetime:
    """A heartbeat before this moment means that the worker is gone."""
    return timezone.now() - timedelta(seconds=settings.RUN_LEASE_SECONDS)


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
