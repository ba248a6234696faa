"""Guidelines: each version stays readable under its own address."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from labeling.work.guidelines import publish_guideline

pytestmark = pytest.mark.django_db

ClientOf = Callable[[User], Client]


def test_the_list_names_the_newest_version(client_of: ClientOf, ada: User) -> None:
    for text in ("one", "two"):
        publish_guideline(kind="ranking", purpose="training", text=text)
    page = client_of(ada).get(reverse("guidelines")).content.decode()
    assert reverse("guideline", args=["ranking", "training", 2]) in page
    assert reverse("guideline", args=["ranking", "training", 1]) not in page


def test_an_old_version_stays_readable(client_of: ClientOf, rosa: User) -> None:
    for text in ("the *old* way", "the new way"):
        publish_guideline(kind="ranking", purpose="training", text=text)
    newest = client_of(rosa).get(reverse("guideline", args=["ranking", "training", 2]))
    assert reverse("guideline", args=["ranking", "training", 1]) in newest.content.decode()
    oldest = client_of(rosa).get(reverse("guideline", args=["ranking", "training", 1]))
    assert "the <em>old</em> way" in oldest.content.decode()


def test_no_guideline_yet_says_what_to_do(client_of: ClientOf, ada: User) -> None:
    page = client_of(ada).get(reverse("guidelines")).content.decode()
    assert "No guideline is published yet" in page
