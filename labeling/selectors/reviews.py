"""What was said about labels: to their labelers, and all that a review of one label needs."""

from __future__ import annotations

from django.db.models import QuerySet

from accounts.models import User
from labeling.models import Completion, LabelingTask, RankedCompletion, Ranking, Review


def feedback(labeler: User, *, unseen: bool = False) -> QuerySet[Review]:
    """What the desk told this labeler, newest first; `assignment.task` comes along."""
    rows = Review.objects.filter(assignment__labeler=labeler).select_related("assignment__task")
    return rows.filter(seen_at=None) if unseen else rows


def standing(task: LabelingTask) -> list[Ranking]:
    """The rankings of a task that count now, oldest first."""
    rows = Ranking.objects.filter(task=task, excluded_at=None)
    return list(rows.select_related("labeler").order_by("pk"))


def side_by_side(
    task: LabelingTask, rankings: list[Ranking]
) -> list[tuple[Completion, list[RankedCompletion | None]]]:
    """Each completion of the task with its place in each of the rankings, in sampling order."""
    places = {
        (place.ranking_id, place.completion_id): place
        for place in RankedCompletion.objects.filter(ranking__in=rankings)
    }
    completions = Completion.objects.filter(task=task).select_related("version")
    return [
        (one, [places.get((ranking.pk, one.pk)) for ranking in rankings])
        for one in completions.order_by("position")
    ]
