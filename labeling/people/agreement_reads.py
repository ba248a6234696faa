"""How far the labelers of an installation agree, from tasks that more than one has ranked."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter

from django.db.models import Count, Q, QuerySet

from accounts.models import User
from labeling.models import RankedCompletion, Ranking
from labeling.people.agreement import Agreement, TasksAgreement, across, among, between

_Ranks = dict[int, list[int]]


def overlapping_rankings() -> list[list[list[int]]]:
    """[task][labeler][completion]: the ranks in every task that more than one labeler ranked."""
    return [list(ranks.values()) for ranks in _overlapping()]


def agreement_of_all() -> TasksAgreement:
    """Over every pair of labelers who ranked the same task."""
    return across(among(rankings) for rankings in overlapping_rankings())


def agreement_of(labeler: User, *, latest: int | None = None) -> TasksAgreement:
    """Of one labeler with all who ranked the same tasks, over their latest rankings or all."""
    tasks = []
    own = Ranking.objects.filter(labeler=labeler, excluded_at=None).order_by("-pk")
    for ranks in _overlapping(task__in=own.values("task")[:latest]):
        mine = ranks.pop(labeler.pk, None)
        if mine is not None:
            tasks.append(sum((between(mine, other) for other in ranks.values()), Agreement(0, 0)))
    return across(tasks)


def _overlapping(**which: object) -> list[_Ranks]:
    """For each task with several rankings, the ranks of its completions by labeler."""
    rankings = _by_labelers(Ranking.objects.filter(**which))
    several = rankings.order_by().values("task").annotate(n=Count("pk")).filter(n__gt=1)
    rows = (
        RankedCompletion.objects.filter(
            ranking__task__in=several.values("task"), ranking__in=rankings
        )
        .order_by("ranking__task", "ranking__labeler", "completion")
        .values_list("ranking__task", "ranking__labeler", "rank")
    )
    return [
        {labeler: [rank for *_, rank in ranks] for labeler, ranks in groupby(task, itemgetter(1))}
        for _, task in groupby(rows, itemgetter(0))
    ]


def _by_labelers(rows: QuerySet[Ranking]) -> QuerySet[Ranking]:
    """What labelers said by themselves: also where the admin let another ranking stand for it."""
    counts = Q(excluded_at=None) | Q(adjudicated_by__isnull=False)
    return rows.filter(counts, assignment__isnull=False)
