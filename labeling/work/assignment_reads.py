"""Reading an assignment as the labeler may see it: no model, no labeler, no sampling order."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from accounts.models import User
from core.problems import Problem
from labeling.models import Assignment, Guideline, LabelingTask


def own_assignment(*, assignment_id: int, labeler: User) -> Assignment:
    """The labeler's own assignment. Raises Problem 404 for another's and for none."""
    rows = Assignment.objects.select_related("task__prompt", "guideline")
    assignment = rows.filter(pk=assignment_id, labeler=labeler).first()
    if assignment is None:
        raise Problem(404, "You have no such task.")
    return assignment


def described(assignment: Assignment) -> dict[str, Any]:
    """The assignment of the contract, completions in the order stored for this labeler."""
    return {
        "id": assignment.pk,
        "kind": assignment.task.kind,
        "purpose": assignment.task.purpose,
        "lease_expires_at": assignment.lease_expires_at,
        "draft": assignment.draft,
        "draft_version": assignment.draft_version,
        "guideline": _guideline(assignment.guideline),
        "prompt": _prompt(assignment.task),
        "completions": shown_completions(assignment),
    }


def shown_completions(assignment: Assignment) -> list[dict[str, Any]]:
    """Each completion in the labeler's display order: `id`, `text`, and whether the length limit
    cut it, `cut`."""
    if not assignment.display_order:
        return []
    answers = assignment.task.answers
    shown = [(pk, answers[pk]) for pk in assignment.display_order]
    return [{"id": str(pk), "text": answer.text, "cut": answer.is_cut} for pk, answer in shown]


def _guideline(guideline: Guideline | None) -> dict[str, Any] | None:
    if guideline is None:
        return None
    return {"version": guideline.version, "url": reverse("api-guideline", args=[guideline.pk])}


def _prompt(task: LabelingTask) -> dict[str, Any]:
    """A prompt-writing task has no prompt yet, only the use case to write for."""
    if task.prompt is None or not task.of_kind.has_prompt:
        return {"id": None, "messages": [], "use_case": task.brief.get("use_case")}
    return {
        "id": task.prompt_id,
        "messages": task.prompt.messages,
        "use_case": task.prompt.use_case,
    }
