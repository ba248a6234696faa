"""Labelers' groups, and the accounts of simulated ones."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence

from django.db import transaction

from accounts.models import Role, User
from accounts.services import create_user
from core.problems import refuse
from labeling.intake import texts
from labeling.models import Demonstration, LabelerProfile, Ranking
from labeling.models.guidelines import Purpose
from labeling.models.prompts import Split

LONGEST_TOPIC = 40


@transaction.atomic
def ensure_simulated(*, groups: Mapping[str, str]) -> dict[str, str]:
    """Accounts for simulated labelers, by name and group, with new passwords; returns those."""
    return {name: _ensure(name, group) for name, group in groups.items()}


def _ensure(name: str, group: str) -> str:
    user = User.objects.filter(username=name).first()
    password = secrets.token_urlsafe(16)
    if user is None:
        user, _ = create_user(name=name, role=Role.LABELER, password=password)
    else:
        user.set_password(password)
        user.save(update_fields=["password"])
    change_group(labeler=user, group=group)
    return password


@transaction.atomic
def change_group(*, labeler: User, group: str) -> LabelerProfile:
    """Labels that were given keep the group they were given in. Raises Problem 409 for whom
    `obstacle_to_group` names a reason."""
    if reason := obstacle_to_group(labeler, group):
        refuse("group", reason, 409)
    profile, _ = LabelerProfile.objects.update_or_create(user=labeler, defaults={"group": group})
    return profile


def obstacle_to_group(labeler: User, group: str) -> str:
    """Why the labeler cannot join the group, if they cannot.

    Held-out labelers judge models as people whom the reward model has never learned from; whose
    labels a model was trained on, or may be, is not one of them any more.
    """
    if group != LabelerProfile.Group.HELD_OUT:
        return ""
    mine = {"labeler": labeler, "group": LabelerProfile.Group.TRAINING}
    learned = {**mine, "task__purpose": Purpose.TRAINING, "prompt__split": Split.TRAIN}
    given = sum(rows.filter(**learned).count() for rows in (Demonstration.objects, Ranking.objects))
    if not given:
        return ""
    return (
        f"{labeler} gave {given} label{'' if given == 1 else 's'} in the training group, which "
        "models learn from, and so cannot judge them as held out. Invite somebody new for the "
        "held-out group."
    )


def decline_topics(*, labeler: User, topics: Sequence[str]) -> list[str]:
    """From now on no task of these topics comes to the labeler; one that is held stays.

    Raises Problem 400 for what cannot be a topic.
    """
    chosen = sorted(set(topics))
    if not all(texts.fault(topic) is None and len(topic) <= LONGEST_TOPIC for topic in chosen):
        sentence = f"A topic is a text of 1 to {LONGEST_TOPIC} characters."
        refuse("declined_topics", sentence)
    LabelerProfile.objects.update_or_create(user=labeler, defaults={"declined_topics": chosen})
    return chosen
