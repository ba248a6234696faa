"""Storing a prompt that a labeler wrote, as the outcome of a prompt-writing task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.problems import refuse
from labeling.intake.dedupe import fingerprint
from labeling.intake.prompts import add_prompts
from labeling.intake.rows import NewPrompt, RowError, parse
from labeling.models import Assignment, LabelingTask, Prompt

FIELDS = ("prompt_kind", "instruction", "examples", "use_case")
_FORM_NAMES = {"kind": "prompt_kind", "messages": "instruction"}


def store(
    assignment: Assignment,
    body: Mapping[str, Any],
    active_seconds: int,
    supersedes: Prompt | None = None,
) -> Prompt:
    """Check `{"prompt_kind", "instruction", "examples", "use_case"}` and add the prompt.

    Raises Problem 400 naming the field, also when the same prompt is there already.
    """
    row = _parsed(assignment, body)
    added = add_prompts([row], source=Prompt.Source.LABELER)
    if added.duplicates:
        refuse("instruction", "This prompt is there already; write another one.")
    if added.over_limit:
        refuse("instruction", "You have written as many prompts as one author may.")
    prompt = Prompt.objects.get(fingerprint=fingerprint(row.messages))
    if supersedes is not None:
        Prompt.objects.filter(pk=prompt.pk).update(supersedes=supersedes)
    LabelingTask.objects.filter(pk=assignment.task_id).update(prompt=prompt)
    return prompt


def outcomes(assignment: Assignment) -> list[Prompt]:
    """The prompt and what it was before it was amended, the newest first."""
    found, newest = [], assignment.task.prompt
    while newest is not None:
        found.append(newest)
        newest = newest.supersedes
    return found


def _parsed(assignment: Assignment, body: Mapping[str, Any]) -> NewPrompt:
    names = {"instruction", "examples", "use_case"}
    row = {name: value for name, value in body.items() if name in names}
    row["kind"] = body.get("prompt_kind")
    row["author"] = str(assignment.labeler.pseudonym)
    try:
        return parse(row)
    except RowError as error:
        name = _FORM_NAMES.get(error.name, error.name)
        refuse(name, f"{name} {error.reason}.")
