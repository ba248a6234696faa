"""Which free slots are open to a labeler."""

from __future__ import annotations

from typing import Any

from django.db.models import (
    BooleanField,
    CharField,
    Exists,
    Expression,
    Func,
    JSONField,
    OuterRef,
    QuerySet,
    Subquery,
    Value,
)
from django.db.models.functions import Concat

from accounts.models import User
from labeling.models import Assignment, LabelerProfile, Prompt, Queue, Slot
from labeling.models.guidelines import Purpose
from labeling.models.prompts import Split

UNASKED = (Prompt.State.QUARANTINED, Prompt.State.WITHDRAWN)
"""States of a prompt that nobody is asked any more, whatever still waits with it."""

_QUEUE = Concat("kind", Value(" "), "purpose", output_field=CharField())


def profile_of(labeler: User) -> LabelerProfile:
    """The labeler's profile; whoever has none is in the training group and declines nothing."""
    return getattr(labeler, "labeler", None) or LabelerProfile(user=labeler)


def open_slots(profile: LabelerProfile) -> QuerySet[Slot]:
    """Free slots the labeler may take; `lapsed` is the id of their old assignment, if any.

    Not among them: tasks the labeler submitted, released or holds, and what they may not have.
    """
    mine = Assignment.objects.filter(labeler=profile.user_id, task=OuterRef("task"))
    lapsed = mine.filter(state=Assignment.State.LAPSED)
    slots = Slot.objects.filter(
        ~Exists(mine.exclude(state=Assignment.State.LAPSED)), state=Slot.State.FREE
    ).annotate(lapsed=Subquery(lapsed.values("pk")))
    return permitted(slots, profile)


def permitted(slots: QuerySet[Slot], profile: LabelerProfile) -> QuerySet[Slot]:
    """Those of the slots that may come to the labeler.

    Not what lies in a paused queue, prompts in quarantine or withdrawn, declined topics, slots that
    an evaluation wants filled by the other group, and for held-out labelers what could become
    training data: the training purpose on the training split.
    """
    slots = slots.filter(group__in=["", profile.group]).alias(queue=_QUEUE)
    slots = slots.exclude(queue__in=_paused()).exclude(task__prompt__state__in=UNASKED)
    slots = slots.exclude(_declined(profile.declined_topics))
    if profile.group == LabelerProfile.Group.HELD_OUT:
        slots = slots.exclude(purpose=Purpose.TRAINING, split=Split.TRAIN)
    return slots


def _declined(topics: Any) -> Func:
    """Whether a slot's topic is among these, a list or a placeholder for one as JSON."""
    listed = topics if isinstance(topics, Expression) else Value(topics, JSONField())
    # Of `jsonb ? text` the planner expects that it seldom holds; of "= ANY" with a list it does not
    # know yet, that it nearly always does, and so it would sort all slots to find the first.
    return Func(
        listed,
        "topic",
        template="%(expressions)s",
        arg_joiner=" ? ",
        output_field=BooleanField(),
    )


def _paused() -> QuerySet[Any]:
    # Asked of no slot in particular: joined with each, it would hide from the planner that nearly
    # all slots remain, and a claim would sort them all instead of taking the first.
    return Queue.objects.filter(paused=True).values(queue=_QUEUE)
