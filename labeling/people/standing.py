"""A labeler's state: who is offered tasks, and what becomes of what is held when it changes."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.utils import timezone

from accounts.audit import Act, record
from accounts.models import Role, User
from core.problems import Problem
from labeling.models import Assignment, LabelerProfile, Slot
from labeling.states import Assignments, Labelers, Slots

ACTS = {
    "assess": (Labelers.assess, "Make a candidate"),
    "train": (Labelers.train, "Let them practise"),
    "activate": (Labelers.activate, "Activate"),
    "pause": (Labelers.pause, "Pause"),
    "resume": (Labelers.resume, "Resume"),
    "leave": (Labelers.leave, "Let go"),
    "come_back": (Labelers.come_back, "Take back"),
}
"""What somebody in the admin can do, with the words of its button."""


def state_of(labeler: User) -> str:
    """The state in which the labeler is shown: a closed account has left."""
    if not labeler.is_active:
        return LabelerProfile.State.LEFT
    profile: LabelerProfile | None = getattr(labeler, "labeler", None)
    return profile.state if profile else LabelerProfile.State.ACTIVE


def acts_for(state: str) -> dict[str, str]:
    """What can be done with a labeler in this state, with the words of each button."""
    return {name: words for name, (move, words) in ACTS.items() if state in move.sources}


@transaction.atomic
def change_state(*, labeler: User, act: str, by: User | None) -> LabelerProfile:
    """Pause, resume and so on. Who is paused may finish what they have begun, and what was only
    reserved for them is free at once; who leaves holds nothing and cannot log in.

    Raises Problem 409 where the labeler is in another state by now.
    """
    # Their own claims wait for this row, so that nothing is taken while it is given back.
    locked = User.objects.select_for_update(no_key=True).get(pk=labeler.pk, role=Role.LABELER)
    profile, _ = LabelerProfile.objects.get_or_create(user=locked)
    move, words = ACTS[act]
    if not move.apply(LabelerProfile.objects.filter(pk=profile.pk)):
        state = LabelerProfile.State(profile.state).label.lower()
        raise Problem(409, f"{locked} is {state}, so “{words}” is not possible. Reload the page.")
    if act in ("leave", "come_back"):
        User.objects.filter(pk=locked.pk).update(is_active=act == "come_back")
    if act == "pause":
        _give_back(locked, [Assignment.State.RESERVED])
    if act == "leave":
        _give_back(locked, Assignments.lapse.sources)
    detail = {"state": [profile.state, move.target]}
    record(act=Act.LABELER_CHANGED, by=by, target=locked, detail=detail)
    profile.refresh_from_db()
    return profile


def _give_back(labeler: User, states: Iterable[str]) -> None:
    """Let others have what the locked labeler holds; the drafts stay."""
    held = Assignment.objects.filter(labeler=labeler, state__in=states).order_by("pk")
    found = dict(held.select_for_update().values_list("pk", "task"))
    slots = Slot.objects.filter(labeler=labeler, task__in=found.values())
    Slots.free.apply(slots, labeler=None, lease_expires_at=None)
    mine = Assignment.objects.filter(pk__in=found)
    Assignments.lapse.apply(mine, lease_expires_at=timezone.now())
