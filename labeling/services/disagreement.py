"""How far the rankings of one task disagree, kept on the task so that it can be searched for."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter

from labeling.agreement import among
from labeling.models import LabelingTask, RankedCompletion


def measure(task_id: int) -> None:
    """Work the figure out anew; called when a ranking was added. One ranking leaves it empty."""
    rows = RankedCompletion.objects.filter(ranking__task=task_id, ranking__excluded_at=None)
    places = rows.order_by("ranking", "completion").values_list("ranking", "rank")
    rankings = [[rank for _, rank in group] for _, group in groupby(places, itemgetter(0))]
    if len(rankings) > 1:
        rate = among(rankings).rate
        share = None if rate is None else 1 - rate
        LabelingTask.objects.filter(pk=task_id).update(disagreement=share)


def measure_afresh(task_id: int) -> None:
    """The same after a ranking was taken out or put back."""
    LabelingTask.objects.filter(pk=task_id).update(disagreement=None)
    measure(task_id)
