"""Finding the assignment a labeler wants to change, locked, or saying why not.

Whatever a labeler does locks their own row first, so that two tabs wait for one another; then the
assignment, then the slot.
"""

from __future__ import annotations

from django.db.models import BigIntegerField, QuerySet

from accounts.models import User
from core.db import prepared
from core.problems import Problem
from labeling.models import Assignment
from labeling.work.label_versions import is_amendable

_OVER = {
    Assignment.State.SUBMITTED: "This task was submitted already.",
    Assignment.State.RELEASED: "You released this task. Your draft is kept.",
}


def lock(labeler: User) -> User:
    """The labeler's row with the profile; their other requests wait until the transaction ends."""
    [locked] = _locked(labeler.pk)
    return locked


@prepared.select
def _locked(labeler: int) -> QuerySet[User]:
    rows = User.objects.select_for_update(of=("self",), no_key=True).select_related("labeler")
    return rows.filter(pk=labeler)


def own(*, assignment_id: int, labeler: User) -> Assignment:
    """The labeler's assignment, locked. Raises Problem 404 for another's and for none."""
    locked = lock(labeler)
    found = _mine(assignment_id, labeler.pk) if assignment_id <= BigIntegerField.MAX_BIGINT else []
    if not found:
        raise Problem(404, "You have no such task.")
    [assignment] = found
    assignment.labeler = locked  # with the profile
    return assignment


@prepared.select
def _mine(assignment_id: int, labeler: int) -> QuerySet[Assignment]:
    rows = Assignment.objects.select_for_update(of=("self",)).select_related("task", "form")
    return rows.filter(pk=assignment_id, labeler=labeler).order_by()


def own_open(*, assignment_id: int, labeler: User) -> Assignment:
    """The same, unless it has ended: Problem 409."""
    assignment = own(assignment_id=assignment_id, labeler=labeler)
    _refuse_over(assignment)
    return assignment


def own_writable(*, assignment_id: int, labeler: User) -> Assignment:
    """One whose draft may be saved: open, or submitted so lately that it may be amended."""
    assignment = own(assignment_id=assignment_id, labeler=labeler)
    if not is_amendable(assignment):
        _refuse_over(assignment)
    return assignment


def _refuse_over(assignment: Assignment) -> None:
    if sentence := _OVER.get(Assignment.State(assignment.state)):
        raise Problem(409, sentence)
