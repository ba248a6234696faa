"""Finding the account of a session, which every request begins with."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.db.models import QuerySet

from accounts.models import User
from core.db import prepared


class AccountBackend(ModelBackend):
    """Django's, with a prepared statement."""

    def get_user(self, user_id: Any) -> User | None:
        """The account, unless it is gone or no longer active."""
        return next(filter(self.user_can_authenticate, _account(user_id)), None)


@prepared.select
def _account(pk: int) -> QuerySet[User]:
    return User.objects.filter(pk=pk)
