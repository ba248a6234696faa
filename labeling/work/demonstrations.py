"""Storing a demonstration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from core.problems import refuse
from labeling.intake import texts
from labeling.models import Assignment, Demonstration
from labeling.queues.open_slots import profile_of

FIELDS = ("text",)


def store(
    assignment: Assignment,
    body: Mapping[str, Any],
    active_seconds: int,
    supersedes: Demonstration | None = None,
) -> Demonstration:
    """Check `{"text": ...}` and keep it as it was written. Raises Problem 400 naming the field."""
    text = body.get("text")
    if reason := texts.fault(text):
        refuse("text", f"The demonstration {reason}.")
    return Demonstration.objects.create(
        assignment=assignment,
        task=assignment.task,
        labeler_id=assignment.labeler_id,
        group=profile_of(assignment.labeler).group,
        prompt_id=cast(int, assignment.task.prompt_id),  # which these kinds have
        guideline_id=assignment.guideline_id,
        text=str(text),
        active_seconds=active_seconds,
        supersedes=supersedes,
    )


def outcomes(assignment: Assignment) -> list[Demonstration]:
    """Every version of the demonstration, the newest first."""
    written = Demonstration.objects.filter(assignment=assignment).select_related("guideline")
    return list(written.order_by("-pk"))
