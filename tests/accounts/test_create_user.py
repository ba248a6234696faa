"""`manage.py create_user`."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import User


@pytest.mark.django_db
def test_it_prints_a_password_that_logs_in() -> None:
    out = StringIO()
    call_command("create_user", "ada", "--role", "labeler", "--json", stdout=out)
    assert Client().login(username="ada", password=json.loads(out.getvalue())["password"])


@pytest.mark.django_db
def test_it_stores_only_a_hash_of_the_token() -> None:
    out = StringIO()
    call_command("create_user", "feed", "--role", "client", "--token", "--json", stdout=out)
    token = json.loads(out.getvalue())["token"]
    stored = User.objects.get(username="feed").auth_token_set.get()
    assert token not in (stored.digest, stored.token_key)


@pytest.mark.django_db
def test_it_refuses_a_name_twice(ada: User) -> None:
    with pytest.raises(CommandError, match="already exists"):
        call_command("create_user", "ada", "--role", "labeler")
