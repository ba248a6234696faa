"""Guidelines: each version stays readable under its own address."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from labeling.work.guidelines import acknowledge, publish_guideline

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


def test_who_may_publish_sees_who_read_it_and_the_way_on(
    client_of: ClientOf, rosa: User, ada: User, ben: User
) -> None:
    shown = publish_guideline(kind="ranking", purpose="training", text="Be *kind*.")
    acknowledge(guideline_id=shown.pk, labeler=ada)
    path = reverse("guideline", args=["ranking", "training", 1])
    page = client_of(rosa).get(path).content.decode()
    assert "Read by 1 of 2 labelers" in page
    assert f"/guidelines/new/?from={shown.pk}" in page
    assert "New version from this one" not in client_of(ada).get(path).content.decode()
    assert client_of(ada).get("/guidelines/new/").status_code == 403


def test_a_preview_shows_the_text_and_what_changes(client_of: ClientOf, rosa: User) -> None:
    publish_guideline(kind="ranking", purpose="training", text="Be kind.")
    body = {"kind": "ranking", "purpose": "training", "text": "Be *very* kind. <script>"}
    page = client_of(rosa).post("/guidelines/preview/", body).content.decode()
    assert "<em>very</em>" in page and "<ins>very</ins>" in page and "<script>" not in page
    other = body | {"purpose": "screening"}
    assert (
        "What changes" not in client_of(rosa).post("/guidelines/preview/", other).content.decode()
    )
    for text in ("", "a\0b"):
        refused = client_of(rosa).post("/guidelines/preview/", body | {"text": text})
        assert refused.status_code == 400
