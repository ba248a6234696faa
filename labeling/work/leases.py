"""Leases: how long a labeler holds a task, and what happens when the time is over.

Whoever touches both rows locks the assignment first and the slot second. A claim that takes a
lapsed task up again finds the slot first; only its labeler, whose row it has locked, can be waiting
for that assignment.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from accounts.models import User
from core.problems import Problem
from labeling.models import Assignment, Slot
from labeling.queues.open_slots import permitted, profile_of
from labeling.states import Assignments, Slots
from labeling.work.ownership import own_open

RESERVED_MINUTES = 3  # a page in sight renews every minute
_BATCH = 500


def lease_end(*, ahead: bool = False) -> datetime:
    """When a lease given now runs out; that of a task which only comes next is short."""
    minutes = RESERVED_MINUTES if ahead else settings.LABELING["lease_minutes"]
    return timezone.now() + timedelta(minutes=minutes)


@transaction.atomic
def heartbeat(*, assignment_id: int, labeler: User) -> Assignment:
    """Extend the lease; one that ran out is taken up again while a slot is free.

    Raises Problem 404 for another's assignment and 409 when it is over.
    """
    assignment = own_open(assignment_id=assignment_id, labeler=labeler)
    if not go_on(assignment) and not take_back(assignment):
        raise Problem(
            409, "This task's time ran out and somebody else has taken it. Your work is kept."
        )
    return assignment


def go_on(assignment: Assignment) -> bool:
    """Give an assignment that still holds its slot a fresh lease; one that was reserved begins."""
    if assignment.state == Assignment.State.RESERVED:
        return _begin(assignment)
    return extend(assignment)


def extend(assignment: Assignment, *, ahead: bool = False) -> bool:
    """Give an assignment that still holds its slot a fresh lease, never a shorter one."""
    end = max(lease_end(ahead=ahead), assignment.lease_expires_at)
    if not _held_slot(assignment).update(lease_expires_at=end):
        return False
    Assignment.objects.filter(pk=assignment.pk).update(lease_expires_at=end)
    assignment.lease_expires_at = end
    return True


def _begin(assignment: Assignment) -> bool:
    """The reserved task is shown from now on; what its labeler may no longer have is let go."""
    began, end = timezone.now(), lease_end()
    mine = Assignment.objects.filter(pk=assignment.pk)
    slot = permitted(_held_slot(assignment), profile_of(assignment.labeler))
    if not slot.update(lease_expires_at=end):
        free_held_slot(assignment)
        Assignments.lapse.apply(mine)
        assignment.state = Assignment.State.LAPSED
        return False
    Assignments.begin.apply(mine, claimed_at=began, lease_expires_at=end)
    assignment.state, assignment.lease_expires_at = Assignment.State.ACTIVE, end
    return True


def _held_slot(assignment: Assignment) -> QuerySet[Slot]:
    return Slot.objects.filter(
        task=assignment.task_id, labeler=assignment.labeler_id, state=Slot.State.HELD
    )


def take_back(assignment: Assignment) -> bool:
    """Hold a slot again for an assignment whose lease was lost."""
    slot = free_slot(assignment)
    return slot is not None and hold(slot, assignment)


def free_slot(assignment: Assignment) -> Slot | None:
    """A slot of the task that nobody holds and that the labeler's group may fill, locked."""
    free = Slot.objects.select_for_update(skip_locked=True)
    groups = ["", profile_of(assignment.labeler).group]
    rows = free.filter(task=assignment.task_id, state=Slot.State.FREE, group__in=groups)
    return rows.order_by("number").first()


def hold(slot: Slot, assignment: Assignment, *, ahead: bool = False) -> bool:
    """Put a locked free slot and a lapsed assignment back into the labeler's hands.

    False, and nothing is changed, when the assignment has ended meanwhile.
    """
    end = lease_end(ahead=ahead)
    move = Assignments.reserve if ahead else Assignments.resume
    if not move.apply(Assignment.objects.filter(pk=assignment.pk), lease_expires_at=end):
        return False
    free = Slot.objects.filter(pk=slot.pk)
    held = Slots.hold.apply(free, labeler=assignment.labeler_id, lease_expires_at=end)
    assert held == 1, "the slot is locked and was free"
    assignment.state, assignment.lease_expires_at = Assignment.State(move.target), end
    return True


def expire_leases() -> int:
    """Free the slots whose lease ran out; the drafts stay. Returns how many lapsed."""
    lapsed = 0
    while batch := _expire_batch():
        lapsed += batch
    return lapsed


@transaction.atomic
def _expire_batch() -> int:
    over = Assignment.objects.filter(
        state__in=Assignments.lapse.sources, lease_expires_at__lt=timezone.now()
    ).order_by("pk")
    locked = over.select_for_update(skip_locked=True).values_list("pk", flat=True)
    rows = Assignment.objects.filter(pk__in=list(locked[:_BATCH]))
    theirs = rows.filter(task=OuterRef("task"), labeler=OuterRef("labeler"))
    Slots.free.apply(Slot.objects.filter(Exists(theirs)), labeler=None, lease_expires_at=None)
    return Assignments.lapse.apply(rows)


def free_held_slot(assignment: Assignment) -> int:
    """Let others have the slot this assignment holds."""
    mine = Slot.objects.filter(task=assignment.task_id, labeler=assignment.labeler_id)
    return Slots.free.apply(mine, labeler=None, lease_expires_at=None)
