"""What a labeler's home page shows: what waits, what is held, what was done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q
from django.utils import timezone

from accounts.models import User
from labeling.models import Assignment, TaskKind
from labeling.models.guidelines import Purpose
from labeling.selectors.open_slots import open_slots, profile_of


@dataclass(frozen=True)
class Waiting:
    """One kind of work: how many tasks wait, up to a bound, and the one already held."""

    kind: str
    label: str
    waiting: int
    held: Assignment | None


@dataclass(frozen=True)
class Done:
    """How many labels were submitted since midnight and in the last seven days."""

    today: int
    week: int


_BOUND = 100


def home_counts(labeler: User) -> list[Waiting]:
    """For every kind of task, what waits for this labeler (counted up to 100)."""
    held = {row.task.kind: row for row in held_assignments(labeler)}
    return [
        Waiting(kind, label, _waiting(labeler, kind), held.get(kind))
        for kind, label in TaskKind.choices
    ]


def held_assignments(labeler: User) -> list[Assignment]:
    """What the labeler holds now, oldest first."""
    rows = Assignment.objects.filter(labeler=labeler, state=Assignment.State.ACTIVE)
    return list(rows.select_related("task__prompt", "guideline").order_by("pk"))


def done(labeler: User, *, kind: str | None = None) -> Done:
    """How much this labeler has submitted, of one kind or of all."""
    now = timezone.localtime()
    rows = Assignment.objects.filter(labeler=labeler, state=Assignment.State.SUBMITTED)
    if kind:
        rows = rows.filter(task__kind=kind)
    counts = rows.aggregate(
        today=Count("pk", filter=Q(ended_at__gte=_midnight(now))),
        week=Count("pk", filter=Q(ended_at__gte=now - timedelta(days=7))),
    )
    return Done(**counts)


def _waiting(labeler: User, kind: str) -> int:
    free = open_slots(profile_of(labeler)).filter(kind=kind)
    return free.exclude(purpose=Purpose.SCREENING).order_by()[:_BOUND].count()


def _midnight(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)
