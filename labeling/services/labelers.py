"""Labelers' groups, and the accounts of simulated ones."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from django.db import transaction

from accounts.models import Role, User
from accounts.services import create_user
from labeling.models import LabelerProfile


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
