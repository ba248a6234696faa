"""Erasing a person from the accounts: name, address, password, tokens, sessions and the admin log.

The row stays, because labels name it; it says no longer whose it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

from django.contrib.admin.models import LogEntry
from django.contrib.sessions.backends.cached_db import SessionStore
from django.contrib.sessions.models import Session
from django.db.models import Q, QuerySet
from knox.models import AuthToken

from accounts.models import User


def sessions_of(user: User) -> Iterator[str]:
    """Keys of the sessions the account is logged in with."""
    for session in Session.objects.iterator():
        if session.get_decoded().get("_auth_user_id") == str(user.pk):
            yield session.session_key


def log_of(user: User) -> QuerySet[LogEntry]:
    """Entries of the admin site's own log that name the account."""
    about_account = Q(content_type__model="user", object_id=str(user.pk))
    return LogEntry.objects.filter(about_account | Q(object_repr=user.username))


def erase_account(user: User) -> None:
    """Destroy everything that says who it was; the account can never be logged into again."""
    for key in list(sessions_of(user)):
        SessionStore(key).delete()
    AuthToken.objects.filter(user=user).delete()
    log_of(user).update(object_repr="Erased", change_message="")
    user.username = f"erased-{user.pk}"
    user.first_name = user.last_name = user.email = ""
    user.is_active = False
    user.last_login = None
    # Files that left before cannot be joined with those that leave from now on.
    user.pseudonym = uuid4()
    user.set_unusable_password()
    user.save()
