"""Making accounts. API tokens are made in `accounts.tokens`."""

from __future__ import annotations

import secrets

from django.db import transaction

from accounts.audit import Act, record
from accounts.models import Role, User
from accounts.permissions import ADMIN_ROLES


@transaction.atomic
def create_user(*, name: str, role: Role, password: str | None = None) -> tuple[User, str]:
    """Make an account.

    Returns:
        The account and its password, which is kept nowhere else.
    """
    password = password or secrets.token_urlsafe(12)
    user = User(username=name, role=role)
    follow_role(user)
    user.set_password(password)
    user.full_clean()
    user.save()
    record(act=Act.ACCOUNT_ADDED, target=user, detail={"role": role})
    return user, password


def follow_role(user: User) -> None:
    """Set Django's own flags, which must never say more than the role; the caller saves."""
    user.is_staff = user.role in ADMIN_ROLES
    user.is_superuser = user.role == Role.ADMIN
