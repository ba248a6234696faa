"""Accounts in the admin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import NoReverseMatch, reverse

from accounts.models import User

Call = Callable[[User], Client]


def _change(client: Client, user: User, **values: Any) -> User:
    path = reverse("admin:accounts_user_change", args=[user.pk])
    body = {"username": user.username, "role": user.role, "is_active": "on"} | values
    assert client.post(path, body).status_code == 302
    user.refresh_from_db()
    return user


def test_flags_follow_the_role_down_and_up(olga: User, rosa: User, client_of: Call) -> None:
    client = client_of(olga)
    promoted = _change(client, rosa, role="admin")
    assert (promoted.is_staff, promoted.is_superuser) == (True, True)
    back = _change(client, rosa, role="researcher", is_superuser="on")
    assert (back.is_staff, back.is_superuser) == (True, False)
    labeler = _change(client, rosa, role="labeler", is_staff="on")
    assert (labeler.is_staff, labeler.is_superuser) == (False, False)


def test_an_account_made_at_the_desk_has_the_flags_of_its_role(olga: User, client_of: Call) -> None:
    body = {"username": "max", "role": "admin", "password1": "x7-keel-9", "password2": "x7-keel-9"}
    assert client_of(olga).post(reverse("admin:accounts_user_add"), body).status_code == 302
    made = User.objects.get(username="max")
    assert (made.is_staff, made.is_superuser) == (True, True)


@pytest.mark.parametrize("page", ["changelist", "add"])
def test_a_researcher_does_not_reach_the_accounts(rosa: User, client_of: Call, page: str) -> None:
    assert client_of(rosa).get(reverse(f"admin:accounts_user_{page}")).status_code == 403
    own = reverse("admin:accounts_user_change", args=[rosa.pk])
    assert client_of(rosa).post(own, {"role": "admin"}).status_code == 403


def test_tokens_have_no_page() -> None:
    with pytest.raises(NoReverseMatch):
        reverse("admin:knox_authtoken_changelist")
