"""Which free slots are open to a labeler."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, QuerySet, Subquery

from accounts.models import User
from labeling.models import Assignment, LabelerProfile, Queue, Slot
from labeling.models.guidelines import Purpose
from labeling.models.prompts import Split


def profile_of(labeler: User) -> LabelerProfile:
    """The labeler's profile; whoever has none is in the training group and declines nothing."""
    return getattr(labeler, "labeler", None) or LabelerProfile(user=labeler)


def open_slots(profile: LabelerProfile) -> QuerySet[Slot]:
    """Free slots the labeler may take; `lapsed` is the id of their old assignment, if any.

    Not among them: what lies in a paused queue, tasks the labeler submitted, released or holds,
    declined topics, slots that an evaluation wants filled by the other group, and for held-out
    labelers what could become training data: the training purpose on the training split.
    """
    mine = Assignment.objects.filter(labeler=profile.user, task=OuterRef("task"))
    lapsed = mine.filter(state=Assignment.State.LAPSED)
    slots = Slot.objects.filter(
        ~Exists(mine.exclude(state=Assignment.State.LAPSED)), state=Slot.State.FREE
    ).annotate(lapsed=Subquery(lapsed.values("pk")))
    slots = slots.filter(~Exists(_paused()), group__in=["", profile.group])
    if profile.declined_topics:
        slots = slots.exclude(topic__in=profile.declined_topics)
    if profile.group == LabelerProfile.Group.HELD_OUT:
        slots = slots.exclude(purpose=Purpose.TRAINING, split=Split.TRAIN)
    return slots


def _paused() -> QuerySet[Queue]:
    return Queue.objects.filter(kind=OuterRef("kind"), purpose=OuterRef("purpose"), paused=True)
