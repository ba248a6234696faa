"""Daily totals and figures of labelers, so that pages read hundreds of rows instead of a million.

Beat brings them up to date: days on which something happened since the last count are counted
anew, whole, so that a count that is done twice changes nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any

from django.db import transaction
from django.db.models import Aggregate, Count, F, FloatField, Max, Min, Q, QuerySet, Sum
from django.utils import timezone

from accounts.models import Role, User
from labeling.models import (
    Assignment,
    DailyTotal,
    Demonstration,
    LabelerFigures,
    PeopleCount,
    RankedCompletion,
    Ranking,
    Review,
)
from labeling.people.agreement_reads import agreement_of
from labeling.task_kinds import TaskKind

LATEST = 500
"""A labeler's agreement is told over so many of their latest rankings."""
# A transaction may end so long after the moment that its rows carry.
_LATE = timedelta(minutes=10)
_CHUNK = 5_000
_DOUBTS = {
    "contradictory": Count("pk", filter=~Q(contradictions=[])),
    "too_fast": Count("pk", filter=Q(too_fast=True)),
}

Key = tuple[int, str]
Sums = dict[Key, Counter[str]]


class Median(Aggregate):
    """PostgreSQL's percentile_cont at one half."""

    function = "PERCENTILE_CONT"
    template = "%(function)s(0.5) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = FloatField()


@transaction.atomic
def bring_up_to_date() -> int:
    """Count the days on which something happened since the last count; returns how many totals
    were written. The first time, everything."""
    until = _lock().counted_until
    return _count_all() if until is None else _count(until - _LATE)


@transaction.atomic
def rebuild() -> int:
    """Forget all totals and figures and count everything anew."""
    _lock()
    return _count_all()


def _lock() -> PeopleCount:
    """Two workers would delete and write the same rows; the second waits and finds little to do."""
    PeopleCount.objects.get_or_create(pk=1)
    return PeopleCount.objects.select_for_update().get(pk=1)


def _count_all() -> int:
    began = timezone.now()
    DailyTotal.objects.all().delete()
    first, written = _first_day(), 0
    if first:
        days = (timezone.localdate() - first).days + 1
        written = sum(_count_day(first + timedelta(days=n), None) for n in range(days))
    everybody = User.objects.filter(role=Role.LABELER).values_list("pk", flat=True)
    _refresh(set(everybody))
    PeopleCount.objects.update(counted_until=began)
    return written


def _count(since: datetime) -> int:
    began = timezone.now()
    touched: dict[date, set[int]] = defaultdict(set)
    for of in _events().values():
        for who, at in of.within(since, began).values_list("who", of.moment):
            touched[timezone.localdate(at)].add(who)
    written = sum(_count_day(day, labelers) for day, labelers in touched.items())
    _refresh({labeler for labelers in touched.values() for labeler in labelers} | _met(since))
    PeopleCount.objects.update(counted_until=began)
    return written


@dataclass(frozen=True)
class Events:
    """What is counted: rows with their labeler as `who`, and the name of their moment."""

    rows: QuerySet[Any]
    moment: str

    def within(self, begin: datetime, end: datetime) -> QuerySet[Any]:
        """Those from `begin` until before `end`."""
        return self.rows.filter(**{f"{self.moment}__gte": begin, f"{self.moment}__lt": end})


def _events() -> dict[str, Events]:
    """Labels by their kind, skips and what was sent back."""
    given = Q(assignment__isnull=False, labeler__isnull=False, supersedes=None)
    work = Assignment.objects.annotate(who=F("labeler"), kind=F("task__kind")).order_by()
    written = work.filter(state=Assignment.State.SUBMITTED, task__kind=TaskKind.PROMPT_WRITING)
    back = Review.objects.filter(kind=Review.Kind.SENT_BACK).order_by()
    back = back.annotate(who=F("assignment__labeler"), of=F("assignment__task__kind"))
    labels = {
        kind: Events(table._default_manager.filter(given).annotate(who=F("labeler")), "created_at")
        for kind, table in ((TaskKind.RANKING, Ranking), (TaskKind.DEMONSTRATION, Demonstration))
    }
    return labels | {
        TaskKind.PROMPT_WRITING: Events(written, "ended_at"),
        "skipped": Events(work.filter(state=Assignment.State.RELEASED), "ended_at"),
        "sent_back": Events(back, "created_at"),
    }


def _first_day() -> date | None:
    moments = (of.rows.aggregate(first=Min(of.moment))["first"] for of in _events().values())
    return min((timezone.localdate(first) for first in moments if first), default=None)


def _count_day(day: date, labelers: Collection[int] | None) -> int:
    """Write the totals of a day anew, of these labelers or of all."""
    begin, end = _midnight(day), _midnight(day + timedelta(days=1))
    found = {name: of.within(begin, end).order_by() for name, of in _events().items()}
    before = DailyTotal.objects.filter(day=day)
    if labelers is not None:
        found = {name: rows.filter(who__in=labelers) for name, rows in found.items()}
        before = before.filter(labeler__in=labelers)
    sums: Sums = defaultdict(Counter)
    spent = {"labels": Count("pk"), "active_seconds": Sum("active_seconds")}
    for kind in TaskKind.values:
        more = _DOUBTS if kind == TaskKind.RANKING else {}
        for row in found[kind].values("who").annotate(**spent, **more):
            sums[row.pop("who"), kind].update(row)
    for name, of in (("skipped", "kind"), ("sent_back", "of")):
        for who, kind, n in found[name].values_list("who", of).annotate(n=Count("pk")):
            sums[who, kind][name] += n
    _add_ties(sums, found[TaskKind.RANKING])
    before.delete()
    totals = [
        DailyTotal(labeler_id=who, day=day, kind=kind, **of) for (who, kind), of in sums.items()
    ]
    return len(DailyTotal.objects.bulk_create(totals))


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def _add_ties(sums: Sums, rankings: QuerySet[Any]) -> None:
    """Of each ranking with K completions its K · (K - 1) / 2 pairs, and how many are tied."""
    of = {"ranking__in": rankings.values("pk")}
    rows = RankedCompletion.objects.filter(**of).order_by("ranking", "rank")
    ranks = rows.values_list("ranking", "ranking__labeler", "rank").iterator(_CHUNK)
    for (_, who), placed in groupby(ranks, itemgetter(0, 1)):
        counts = Counter(rank for *_, rank in placed)
        found = {"pairs": _pairs(counts.total()), "tied": sum(map(_pairs, counts.values()))}
        sums[who, TaskKind.RANKING].update(found)


def _pairs(n: int) -> int:
    return n * (n - 1) // 2


def _met(since: datetime) -> set[int]:
    """Whose agreement changed because somebody else ranked a task of theirs."""
    tasks = Ranking.objects.filter(created_at__gte=since).values("task")
    others = Ranking.objects.filter(task__in=tasks, labeler__isnull=False)
    return set(others.order_by().values_list("labeler", flat=True).distinct())


def _refresh(labelers: Collection[int]) -> None:
    """Work out the figures of these labelers anew."""
    medians: dict[int, dict[str, float]] = defaultdict(dict)
    last: dict[int, datetime] = {}
    events = _events()
    for kind in TaskKind.values:
        mine = events[kind].rows.filter(who__in=labelers).order_by().values("who")
        for row in mine.annotate(median=Median("active_seconds"), last=Max(events[kind].moment)):
            medians[row["who"]][kind] = row["median"]
            last[row["who"]] = max(row["last"], last.get(row["who"], row["last"]))
    for labeler in User.objects.filter(pk__in=labelers, role=Role.LABELER):
        agreement = agreement_of(labeler, latest=LATEST)
        found = agreement.interval
        LabelerFigures.objects.update_or_create(
            labeler=labeler,
            defaults={
                "median_seconds": medians[labeler.pk],
                "agreement": found.estimate if found else None,
                "agreement_low": found.low if found else None,
                "agreement_high": found.high if found else None,
                "comparisons": agreement.total,
                "last_label_at": last.get(labeler.pk),
            },
        )
