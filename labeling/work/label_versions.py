"""For how long a label may still be amended, and which versions of it there are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from labeling.models import Assignment, Demonstration, LabelingTask, Prompt, Ranking

Outcome = Ranking | Demonstration | Prompt
"""What a submitted assignment left behind."""


def amend_until(assignment: Assignment) -> datetime | None:
    """When the time to amend a submitted label is over; None for one that is not submitted."""
    if assignment.state != Assignment.State.SUBMITTED or assignment.ended_at is None:
        return None
    return assignment.ended_at + timedelta(hours=settings.LABELING["amend_hours"])


def is_amendable(assignment: Assignment) -> bool:
    """Whether the label was submitted and the time to amend it is not over."""
    until = amend_until(assignment)
    return until is not None and timezone.now() < until


def outcomes(assignment: Assignment) -> Sequence[Outcome]:
    """Every version of what was submitted, the newest first."""
    return assignment.task.of_kind.label.outcomes(assignment)


def obstacle(newest: Outcome, task: LabelingTask) -> str | None:
    """What keeps the newest version from being amended, whatever the time; None if nothing does."""
    if not isinstance(newest, Prompt):
        return "excluded" if newest.excluded_at else None
    others = LabelingTask.objects.filter(prompt=newest).exclude(pk=task.pk)
    return "in_use" if others.exists() else None
