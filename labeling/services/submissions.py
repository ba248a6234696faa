"""Submitting a label: once, by whoever holds a slot or finds one still free."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts.models import User
from accounts.problems import Problem
from labeling import texts
from labeling.models import Assignment, Slot, TaskKind
from labeling.selectors.amendments import outcomes
from labeling.services import demonstrations, rankings, written_prompts
from labeling.services.leases import free_slot
from labeling.services.ownership import own
from labeling.states import Assignments, Slots

_STORE: Mapping[TaskKind, Callable[..., Any]] = {
    TaskKind.RANKING: rankings.store,
    TaskKind.DEMONSTRATION: demonstrations.store,
    TaskKind.PROMPT_WRITING: written_prompts.store,
}
_SAID = {
    TaskKind.RANKING: ("ranking", "ratings"),
    TaskKind.DEMONSTRATION: ("text",),
    TaskKind.PROMPT_WRITING: ("prompt_kind", "instruction", "examples", "use_case"),
}
_LONGEST_DAY = 86_400


@transaction.atomic
def submit(*, assignment_id: int, labeler: User, body: Mapping[str, Any]) -> Assignment:
    """Store the label; the same body again changes nothing and answers the same.

    A body that differs only in `active_seconds` is the same: a page that retries has gone on
    counting. Raises Problem 400 naming the fields, 404 for another's assignment, and 409 when
    something else was submitted or the last slot has gone. The draft is kept in each case.
    """
    assignment = own(assignment_id=assignment_id, labeler=labeler)
    digest = digest_of(body)
    if assignment.state == Assignment.State.SUBMITTED:
        return _again(assignment, digest)
    if assignment.state == Assignment.State.RELEASED:
        raise Problem(409, "You released this task. Your draft is kept.")
    seconds = seconds_of(body)
    _fill_slot(assignment)
    # One that was sent back has a label already, which stays, excluded.
    before = outcomes(assignment)[0] if assignment.submission_hash else None
    store(assignment, body, seconds, before)
    return _close(assignment, digest, as_submitted(assignment, body, seconds))


def store(
    assignment: Assignment, body: Mapping[str, Any], seconds: int, supersedes: Any = None
) -> Any:
    """Keep the label of this kind of task, in the place of an older one if there is one."""
    return _STORE[TaskKind(assignment.task.kind)](assignment, body, seconds, supersedes)


def as_submitted(assignment: Assignment, body: Mapping[str, Any], seconds: int) -> dict[str, Any]:
    """What the assignment keeps of it: the time spent, and a draft to amend it from.

    Its new draft version lets a tab that still shows the task save nothing over it.
    """
    said = {name: body[name] for name in _SAID[TaskKind(assignment.task.kind)] if name in body}
    draft = said | {"active_seconds": seconds} if texts.keepable(said) else {}
    version = F("draft_version") + 1
    return {"active_seconds": seconds, "draft": draft, "draft_version": version}


def digest_of(body: Mapping[str, Any]) -> str:
    """The same for two bodies that differ only in the time spent."""
    said = {name: value for name, value in body.items() if name != "active_seconds"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _again(assignment: Assignment, digest: str) -> Assignment:
    if assignment.submission_hash != digest:
        raise Problem(409, "You submitted something else for this task before; that one stands.")
    return assignment


def seconds_of(body: Mapping[str, Any]) -> int:
    """The active time the page counted. Raises Problem 400 for one that cannot be."""
    seconds = body.get("active_seconds", 0)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        seconds = -1
    if not 0 <= seconds <= _LONGEST_DAY:
        sentence = f"Must be a number of seconds from 0 to {_LONGEST_DAY}."
        raise Problem(400, sentence, errors={"active_seconds": [sentence]})
    return round(seconds)


def _fill_slot(assignment: Assignment) -> None:
    mine = Slot.objects.filter(
        task=assignment.task_id, labeler=assignment.labeler_id, state=Slot.State.HELD
    )
    if Slots.fill.apply(mine, lease_expires_at=None):
        return
    slot = free_slot(assignment)
    if slot is None:
        raise Problem(
            409,
            "This task's time ran out and somebody else has taken it, or it was withdrawn. "
            "Your work is kept.",
        )
    Slots.fill.apply(Slot.objects.filter(pk=slot.pk), labeler=assignment.labeler_id)


def _close(assignment: Assignment, digest: str, values: dict[str, Any]) -> Assignment:
    assignment.ended_at = timezone.now()
    moved = Assignments.submit.apply(
        Assignment.objects.filter(pk=assignment.pk),
        submission_hash=digest,
        ended_at=assignment.ended_at,
        **values,
    )
    assert moved == 1, "the assignment is locked and was open"
    assignment.state = Assignment.State.SUBMITTED
    return assignment
