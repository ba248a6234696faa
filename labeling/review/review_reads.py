"""What was said about labels: to their labelers, and all that a review of one label needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Model, QuerySet

from accounts.models import User
from labeling.models import (
    Completion,
    Demonstration,
    LabelingTask,
    RankedCompletion,
    Ranking,
    Review,
)
from labeling.work.contradictions import TITLES

_BOTH = (
    "labeler", "prompt", "guideline", "assignment", "task__policy", "task__prompt", "excluded_by",
    "supersedes", "task__origin__of",
)  # fmt: skip
PROVENANCE: dict[type[Model], tuple[str, ...]] = {
    Demonstration: _BOTH,
    Ranking: (*_BOTH, "form", "adjudicated_by"),
}
"""What to read together with a label."""


@dataclass(frozen=True)
class Compared:
    """A completion and its place in each of some rankings; whether they all rank it alike."""

    completion: Completion
    places: list[RankedCompletion | None]

    @property
    def agreed(self) -> bool:
        return len({place.rank for place in self.places if place}) <= 1


def feedback(labeler: User, *, unseen: bool = False) -> QuerySet[Review]:
    """What the admin told this labeler, newest first; `assignment.task` comes along."""
    rows = Review.objects.filter(assignment__labeler=labeler).select_related("assignment__task")
    return rows.filter(seen_at=None) if unseen else rows


def surroundings(label: Demonstration | Ranking) -> dict[str, Any]:
    """What a review shows beside the label: its places, what was told, other rankings."""
    found: dict[str, Any] = {
        "label": label,
        "told": Review.objects.filter(assignment=label.assignment_id).select_related("by")
        if label.assignment_id
        else [],
        "superseded_by": type(label).objects.filter(supersedes=label.pk).first(),
    }
    if isinstance(label, Ranking):
        places = label.ranked.select_related("completion__version").order_by("rank", "pk")
        position = {place.completion_id: place.completion.position + 1 for place in places}
        found["places"] = places
        found["doubts"] = [TITLES[name] for name in label.contradictions]
        found["shown"] = [position[pk] for pk in label.display_order if pk in position]
        found["others"] = [one for one in standing(label.task) if one.pk != label.pk]
    return found


def standing(task: LabelingTask) -> list[Ranking]:
    """The rankings of a task that count now, oldest first."""
    rows = Ranking.objects.filter(task=task, excluded_at=None)
    return list(rows.select_related("labeler").order_by("pk"))


def side_by_side(task: LabelingTask, rankings: list[Ranking]) -> list[Compared]:
    """Each completion of the task with its place in each of the rankings, in sampling order."""
    places = {
        (place.ranking_id, place.completion_id): place
        for place in RankedCompletion.objects.filter(ranking__in=rankings)
    }
    completions = Completion.objects.filter(task=task).select_related("version")
    return [
        Compared(one, [places.get((ranking.pk, one.pk)) for ranking in rankings])
        for one in completions.order_by("position")
    ]
