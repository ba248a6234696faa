"""Submitting a label: once, by whoever holds a slot or finds one still free."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts.models import User
from core.db import prepared
from core.db.prepared import Change
from core.problems import Problem, refuse
from labeling.intake import texts
from labeling.models import Assignment, Slot
from labeling.states import Assignments, Slots
from labeling.work.label_versions import outcomes
from labeling.work.leases import free_slot
from labeling.work.ownership import own

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
        if assignment.submission_hash == digest:
            return assignment
        raise Problem(409, "You submitted something else for this task before; that one stands.")
    if assignment.state == Assignment.State.RELEASED:
        raise Problem(409, "You released this task. Your draft is kept.")
    seconds = seconds_of(body)
    _fill_slot(assignment)
    # One that was sent back has a label already, which stays, excluded.
    before = outcomes(assignment)[0] if assignment.submission_hash else None
    store(assignment, body, seconds, before)
    return _close(assignment, digest, seconds, draft_of(assignment, body, seconds))


def store(
    assignment: Assignment, body: Mapping[str, Any], seconds: int, supersedes: Any = None
) -> Any:
    """Keep the label of this kind of task, in the place of an older one if there is one."""
    return assignment.task.of_kind.label.store(assignment, body, seconds, supersedes)


def draft_of(assignment: Assignment, body: Mapping[str, Any], seconds: int) -> dict[str, Any]:
    """The label as a draft, to amend it from."""
    said = {name: body[name] for name in assignment.task.of_kind.label.FIELDS if name in body}
    return said | {"active_seconds": seconds} if texts.keepable(said) else {}


def kept(*, digest: Any, seconds: Any, draft: Any) -> dict[str, Any]:
    """What the assignment keeps of a label.

    Its new draft version lets a tab that still shows the task save nothing over it.
    """
    version = F("draft_version") + 1
    return {
        "submission_hash": digest,
        "active_seconds": seconds,
        "draft": draft,
        "draft_version": version,
    }


def digest_of(body: Mapping[str, Any]) -> str:
    """The same for two bodies that differ only in the time spent."""
    said = {name: value for name, value in body.items() if name != "active_seconds"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def seconds_of(body: Mapping[str, Any]) -> int:
    """The active time the page counted. Raises Problem 400 for one that cannot be."""
    seconds = body.get("active_seconds", 0)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        seconds = -1
    if not 0 <= seconds <= _LONGEST_DAY:
        sentence = f"Must be a number of seconds from 0 to {_LONGEST_DAY}."
        refuse("active_seconds", sentence)
    return round(seconds)


def _fill_slot(assignment: Assignment) -> None:
    if _fill_held(assignment.task_id, assignment.labeler_id):
        return
    slot = free_slot(assignment)
    if slot is None:
        raise Problem(
            409,
            "This task's time ran out and somebody else has taken it, or it was withdrawn. "
            "Your work is kept.",
        )
    Slots.fill.apply(Slot.objects.filter(pk=slot.pk), labeler=assignment.labeler_id)


@prepared.update
def _fill_held(task: int, labeler: int) -> Change:
    mine = Slot.objects.filter(task=task, labeler=labeler, state=Slot.State.HELD)
    return Slots.fill.change(mine, lease_expires_at=None)


def _close(assignment: Assignment, digest: str, seconds: int, draft: dict[str, Any]) -> Assignment:
    assignment.ended_at = timezone.now()
    moved = _submit(assignment.pk, digest, assignment.ended_at, seconds, draft)
    assert moved == 1, "the assignment is locked and was open"
    assignment.state = Assignment.State.SUBMITTED
    return assignment


@prepared.update
def _submit(
    assignment: int, digest: str, at: datetime, seconds: int, draft: dict[str, Any]
) -> Change:
    rows, values = Assignment.objects.filter(pk=assignment), {"ended_at": at}
    values |= kept(digest=digest, seconds=seconds, draft=draft)
    return Assignments.submit.change(rows, **values)
