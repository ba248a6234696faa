"""What the pages read beyond the labeling app's own selectors: letters, forms, guidelines."""

from __future__ import annotations

from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from django.db.models import QuerySet

from accounts.models import User
from labeling.models import Assignment, FormVersion, Guideline
from labeling.rating_form import FIRST_FORM
from labeling.selectors.assignments import shown_completions
from labeling.selectors.home import Waiting, done, home_counts


@dataclass(frozen=True)
class Tile:
    """One kind of work on the home page; `many` if `waiting` is only a lower bound."""

    work: Waiting
    today: int
    many: bool


MANY = 100  # labeling counts what waits up to here


def tiles(labeler: User) -> list[Tile]:
    """Every kind of work, the most frequent first."""
    counted = reversed(home_counts(labeler))
    return [
        Tile(work, done(labeler, kind=work.kind).today, work.waiting >= MANY) for work in counted
    ]


def assignments_of(labeler: User) -> QuerySet[Assignment]:
    """The labeler's assignments with everything a work page shows of them."""
    mine = Assignment.objects.filter(labeler=labeler)
    return mine.select_related("task", "task__prompt", "guideline", "form")


def lettered_completions(assignment: Assignment) -> list[tuple[str, dict[str, str]]]:
    """The completions, {id, text}, in this labeler's display order, each with its letter."""
    return list(zip(ascii_uppercase, shown_completions(assignment), strict=False))


def rating_fields(assignment: Assignment) -> dict[str, Any]:
    """The fields of the rating form the assignment came with; of an old one without, the newest."""
    form = assignment.form or FormVersion.objects.order_by("-version").first()
    return form.fields if form else FIRST_FORM


def guideline_before(guideline: Guideline) -> Guideline | None:
    """The version of the same guideline that this one replaced."""
    same = Guideline.objects.filter(kind=guideline.kind, purpose=guideline.purpose)
    return same.filter(version__lt=guideline.version).order_by("-version").first()


def newest_guidelines() -> QuerySet[Guideline]:
    """The current version of each guideline."""
    newest = Guideline.objects.order_by("kind", "purpose", "-version")
    return newest.distinct("kind", "purpose")
