"""Labelers' groups, and the accounts of simulated ones."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence

from django.db import transaction

from accounts.models import Role, User
from accounts.services import create_user
from core.problems import Problem
from labeling.intake import texts
from labeling.models import LabelerProfile

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
    LabelerProfile.objects.update_or_create(user=user, defaults={"group": group})
    return password


def decline_topics(*, labeler: User, topics: Sequence[str]) -> list[str]:
    """From now on no task of these topics comes to the labeler; one that is held stays.

    Raises Problem 400 for what cannot be a topic.
    """
    chosen = sorted(set(topics))
    if not all(texts.fault(topic) is None and len(topic) <= LONGEST_TOPIC for topic in chosen):
        sentence = f"A topic is a text of 1 to {LONGEST_TOPIC} characters."
        raise Problem(400, sentence, errors={"declined_topics": [sentence]})
    LabelerProfile.objects.update_or_create(user=labeler, defaults={"declined_topics": chosen})
    return chosen
