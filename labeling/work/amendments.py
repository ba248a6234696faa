"""Amending a label: for a set time after the submit, its labeler may put another in its place.

Both versions stay. The old one is excluded, so that snapshots and exports know only the newest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from core.problems import Problem
from labeling.models import Assignment, Prompt
from labeling.work.label_versions import Outcome, is_amendable, obstacle, outcomes
from labeling.work.ownership import own
from labeling.work.submissions import digest_of, draft_of, kept, seconds_of, store

_OBSTACLES = {
    "excluded": "This label was taken out of the data, so it cannot be amended any more.",
    "in_use": "Others work with this prompt already, so it cannot be amended any more.",
}


@transaction.atomic
def amend(*, assignment_id: int, labeler: User, body: Mapping[str, Any]) -> Assignment:
    """Put a new version of a submitted label in the place of the newest one.

    The same body again changes nothing. Raises Problem 400 naming the fields, 404 for another's
    assignment, and 409 when nothing was submitted, the time is over or the label is out of reach.
    """
    assignment = own(assignment_id=assignment_id, labeler=labeler)
    if assignment.state != Assignment.State.SUBMITTED:
        raise Problem(409, "Nothing was submitted for this task yet, so there is nothing to amend.")
    digest = digest_of(body)
    if digest == assignment.submission_hash:
        return assignment
    if not is_amendable(assignment):
        raise Problem(409, "The time to amend this label is over; what you submitted stands.")
    _replace(assignment, body)
    return _note(assignment, body, digest)


def _replace(assignment: Assignment, body: Mapping[str, Any]) -> None:
    newest = outcomes(assignment)[0]
    if reason := obstacle(newest, assignment.task):
        raise Problem(409, _OBSTACLES[reason])
    _retire(newest)
    store(assignment, body, seconds_of(body), newest)


def _retire(label: Outcome) -> None:
    if isinstance(label, Prompt):
        # Its fingerprints are given up, so that the next version may begin like it.
        Prompt.objects.filter(pk=label.pk).update(
            state=Prompt.State.WITHDRAWN,
            fingerprint=f"superseded-{label.pk}",
            prefix_fingerprint="",
            bands=[],
        )
        return
    rows = type(label).objects.filter(pk=label.pk, excluded_at=None)
    rows.update(excluded_at=timezone.now(), excluded_reason="Superseded by its labeler.")


def _note(assignment: Assignment, body: Mapping[str, Any], digest: str) -> Assignment:
    seconds = seconds_of(body)
    draft = draft_of(assignment, body, seconds)
    same = Assignment.objects.filter(pk=assignment.pk, submission_hash=assignment.submission_hash)
    moved = same.update(**kept(digest=digest, seconds=seconds, draft=draft))
    assert moved == 1, "the assignment is locked"
    assignment.submission_hash = digest
    return assignment
