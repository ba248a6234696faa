"""Claiming a task, and the one after it; keeping its draft, and giving it back.

A claim locks the labeler's own row, so two tabs get the same task, and takes a free slot with
`FOR UPDATE SKIP LOCKED`, so two labelers never get the same slot and never wait for each other.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from itertools import product
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import User
from core.db import prepared
from core.db.prepared import Change
from core.problems import Problem, refuse
from labeling.intake import texts
from labeling.models import Assignment, LabelerProfile, LabelingTask, Slot
from labeling.models.guidelines import Purpose
from labeling.queues.open_slots import open_slots, profile_of
from labeling.states import Assignments, Slots
from labeling.task_kinds import TASK_KINDS
from labeling.work.guidelines import current_form, current_guideline
from labeling.work.leases import extend, free_held_slot, go_on, hold, lease_end
from labeling.work.ownership import lock, own_open, own_writable
from labeling.work.reading_time import reading_seconds

# Evaluations are few and somebody waits for them.
PURPOSES = (Purpose.EVALUATION, Purpose.TRAINING)
# What a claim reads of a slot, its task and its prompt: each column of a sorted query costs time.
_NEEDED = (
    "kind",
    "purpose",
    *(f"task__{name}" for name in ("kind", "purpose", "brief")),
    *(f"task__prompt__{name}" for name in ("messages", "use_case")),
)
_MAX_DRAFT = 500_000
_UNKEEPABLE = (
    "The draft cannot be stored: it holds a NUL, half a surrogate pair or an endless number, or is "
    "nested too deeply."
)


@transaction.atomic
def claim(
    *, labeler: User, kinds: Sequence[str], purposes: Sequence[str] | None = None
) -> Assignment | None:
    """The task the labeler already holds of these kinds, else the next one; None if none waits.

    Kinds and purposes are tried in the order given. Never offered: tasks the labeler submitted or
    released, declined topics, and to held-out labelers what could become training data. A task
    whose lease the labeler lost comes back with its draft.
    """
    labeler = lock(labeler)
    for held in _held(labeler, kinds, Assignments.lapse.sources):
        if go_on(held):
            return held
    slot = _next_slot(profile_of(labeler), kinds, purposes or PURPOSES)
    return None if slot is None else _assign(slot, labeler)


@transaction.atomic
def reserve(*, assignment_id: int, labeler: User) -> Assignment | None:
    """The task that comes after this one, of its kind, held for some minutes; asked again, longer.

    There is one at most, and none when no other slot would stay free for somebody who has nothing
    to do. Raises Problem 404 for another's assignment and 409 for one that is over.
    """
    before = own_open(assignment_id=assignment_id, labeler=labeler)
    labeler, kinds = before.labeler, [before.task.kind]
    for reserved in _held(labeler, kinds, Assignments.begin.sources):
        if extend(reserved, ahead=True):
            return reserved
    slot = _next_slot(profile_of(labeler), kinds, PURPOSES, ahead=True)
    return None if slot is None else _assign(slot, labeler, ahead=True)


@transaction.atomic
def proceed(*, assignment_id: int, labeler: User) -> bool:
    """Begin the reserved task; False when it is no longer the labeler's."""
    held = _held(lock(labeler), TASK_KINDS, Assignments.lapse.sources)
    return any(go_on(one) for one in held if one.pk == assignment_id)


def _held(labeler: User, kinds: Iterable[str], states: Iterable[str]) -> list[Assignment]:
    """What the locked labeler holds, what they have begun first."""
    held = _held_by(labeler.pk, kinds=tuple(kinds), states=tuple(states))
    for assignment in held:
        assignment.labeler = labeler
    return held


@prepared.select
def _held_by(
    labeler: int, *, kinds: tuple[str, ...], states: tuple[str, ...]
) -> QuerySet[Assignment]:
    mine = Assignment.objects.filter(labeler=labeler, state__in=states, task__kind__in=kinds)
    # Seldom there, so what hangs on it is left to be read when it is. As words, "active" stands
    # before "reserved".
    return mine.select_for_update(of=("self",)).order_by("state", "pk")


def _next_slot(
    profile: LabelerProfile, kinds: Sequence[str], purposes: Sequence[str], *, ahead: bool = False
) -> Slot | None:
    """The first free slot, locked; ahead of need, only if one more of its queue stays free."""
    find = partial(_free, profile.user_id, profile.declined_topics, group=profile.group)
    for kind, purpose in product(kinds, purposes):
        # Looking locks nothing: a slot that somebody only looks at must not seem taken to another.
        if ahead and len(find(kind=kind, purpose=purpose, take=False)) < 2:
            continue
        if slots := find(kind=kind, purpose=purpose, take=True):
            return slots[0]
    return None


@prepared.select
def _free(
    labeler: int, declined: list[str], *, kind: str, purpose: str, group: str, take: bool
) -> QuerySet[Slot]:
    """The first free slot, locked, with what a claim reads of it; or a look at the first two."""
    profile = LabelerProfile(user_id=labeler, declined_topics=declined, group=group)
    free = open_slots(profile).filter(kind=kind, purpose=purpose).order_by("-priority", "id")
    if not take:
        return free.only("pk")[:2]
    free = free.select_for_update(skip_locked=True, of=("self",))
    return free.select_related("task__prompt").only(*_NEEDED)[:1]


def _assign(slot: Slot, labeler: User, *, ahead: bool = False) -> Assignment | None:
    if slot.lapsed:  # type: ignore[attr-defined]  # annotated above
        assignment = Assignment.objects.select_related("task__prompt", "guideline").get(
            pk=slot.lapsed  # type: ignore[attr-defined]
        )
        return assignment if hold(slot, assignment, ahead=ahead) else None
    end = lease_end(ahead=ahead)
    _take(slot.pk, labeler.pk, end)
    return Assignment.objects.create(
        task=slot.task,
        labeler=labeler,
        state=Assignment.State.RESERVED if ahead else Assignment.State.ACTIVE,
        guideline=current_guideline(kind=slot.kind, purpose=slot.purpose),
        form=current_form() if slot.task.of_kind.compares else None,
        display_order=_shuffled(slot.task),
        reading_seconds=reading_seconds(_shown(slot.task)),
        lease_expires_at=end,
    )


@prepared.update
def _take(slot: int, labeler: int, end: datetime) -> Change:
    rows = Slot.objects.filter(pk=slot)
    return Slots.hold.change(rows, labeler=labeler, lease_expires_at=end)


def _shown(task: LabelingTask) -> list[str]:
    asked = [] if task.prompt is None else [said["content"] for said in task.prompt.messages]
    return [*asked, *(answer.text for answer in task.answers.values())]


def _shuffled(task: LabelingTask) -> list[int]:
    """The completions' ids; what is shown of them stays with the task, since it is shown next."""
    order = list(task.answers)
    random.shuffle(order)
    return order


@transaction.atomic
def save_draft(
    *, assignment_id: int, labeler: User, draft: dict[str, Any], draft_version: int
) -> int:
    """Store the draft if nobody stored a newer one; returns the new version.

    Also after the lease has run out, so that no work is lost, and for an amendment after the
    submit. Raises Problem 409 with the newer draft and its version.
    """
    if not texts.keepable(draft):
        refuse("draft", _UNKEEPABLE)
    if len(repr(draft)) > _MAX_DRAFT:
        refuse("draft", f"The draft is too large: keep it below {_MAX_DRAFT:,} characters.")
    assignment = own_writable(assignment_id=assignment_id, labeler=labeler)
    if assignment.draft_version != draft_version:
        raise Problem(
            409,
            "A newer draft was saved in another tab.",
            extra={"draft_version": assignment.draft_version, "draft": assignment.draft},
        )
    Assignment.objects.filter(pk=assignment.pk).update(draft=draft, draft_version=draft_version + 1)
    return draft_version + 1


@transaction.atomic
def release(*, assignment_id: int, labeler: User, reason: str) -> Assignment:
    """Give the task back with a reason; it never comes to this labeler again."""
    assignment = own_open(assignment_id=assignment_id, labeler=labeler)
    free_held_slot(assignment)
    Assignments.release.apply(
        Assignment.objects.filter(pk=assignment.pk),
        release_reason=reason,
        ended_at=timezone.now(),
    )
    assignment.state = Assignment.State.RELEASED
    return assignment
