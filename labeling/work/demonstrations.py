"""Storing a demonstration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from core.problems import Problem
from labeling.intake import texts
from labeling.models import Assignment, Demonstration
from labeling.queues.open_slots import profile_of


def store(
    assignment: Assignment,
    body: Mapping[str, Any],
    active_seconds: int,
    supersedes: Demonstration | None = None,
) -> Demonstration:
    """Check `{"text": ...}` and keep it as it was written. Raises Problem 400 naming the field."""
    text = body.get("text")
    if reason := texts.fault(text):
        sentence = f"The demonstration {reason}."
        raise Problem(400, sentence, errors={"text": [sentence]})
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
