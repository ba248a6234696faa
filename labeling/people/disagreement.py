"""How far the rankings of one task disagree, kept on the task so that it can be searched for."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter

from django.db.models import QuerySet

from core.db import prepared
from labeling.models import LabelingTask, RankedCompletion
from labeling.people.agreement import among


def measure(task_id: int) -> None:
    """Work the figure out anew; called when a ranking was added. One ranking leaves it empty."""
    by_ranking = groupby(_places(task_id), itemgetter(0))
    rankings = [[rank for _, rank in group] for _, group in by_ranking]
    if len(rankings) > 1:
        rate = among(rankings).rate
        share = None if rate is None else 1 - rate
        LabelingTask.objects.filter(pk=task_id).update(disagreement=share)


@prepared.select
def _places(task: int) -> QuerySet[RankedCompletion, tuple[int, int]]:
    rows = RankedCompletion.objects.filter(ranking__task=task, ranking__excluded_at=None)
    return rows.order_by("ranking", "completion").values_list("ranking", "rank")


def measure_afresh(task_id: int) -> None:
    """The same after a ranking was taken out or put back."""
    LabelingTask.objects.filter(pk=task_id).update(disagreement=None)
    measure(task_id)
