"""What a labeler's home page shows: what waits, what is held, what was done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Count, F, Q, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

from accounts.models import User
from labeling.models import Assignment, Report
from labeling.models.guidelines import Purpose
from labeling.queues.open_slots import open_slots, profile_of
from labeling.task_kinds import kind_choices


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


@dataclass(frozen=True)
class Day:
    """One day's work: labels by kind, and the active time in seconds."""

    day: date
    counts: dict[str, int]
    active_seconds: int

    @property
    def labels(self) -> int:
        """Labels of every kind."""
        return sum(self.counts.values())


_BOUND = 100
_WEEK = 7


def home_counts(labeler: User) -> list[Waiting]:
    """For every kind of task, what waits for this labeler (counted up to 100)."""
    held = {row.task.kind: row for row in held_assignments(labeler)}
    return [
        Waiting(kind, label, _waiting(labeler, kind), held.get(kind))
        for kind, label in kind_choices()
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


def week(labeler: User) -> list[Day]:
    """The last seven days, today last, days without work among them."""
    today = timezone.localdate()
    days = [today - timedelta(days=back) for back in reversed(range(_WEEK))]
    rows = Assignment.objects.filter(
        labeler=labeler,
        state=Assignment.State.SUBMITTED,
        ended_at__gte=_midnight(timezone.localtime()) - timedelta(days=_WEEK - 1),
    )
    counted = (
        rows.order_by()
        .values(day=TruncDate("ended_at"), kind=F("task__kind"))
        .annotate(n=Count("pk"), spent=Sum("active_seconds"))
    )
    found = {day: [row for row in counted if row["day"] == day] for day in days}
    return [
        Day(day, {row["kind"]: row["n"] for row in rows}, sum(row["spent"] for row in rows))
        for day, rows in found.items()
    ]


def reports_of(labeler: User) -> list[Report]:
    """The labeler's reports that are open or whose answer they have not put away, newest first."""
    mine = Report.objects.filter(assignment__labeler=labeler, seen_at=None)
    return list(mine.select_related("assignment__task__prompt")[:20])


def _waiting(labeler: User, kind: str) -> int:
    free = open_slots(profile_of(labeler)).filter(kind=kind)
    return free.exclude(purpose=Purpose.SCREENING).order_by()[:_BOUND].count()


def _midnight(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)
