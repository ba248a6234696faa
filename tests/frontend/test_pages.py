"""Who may see which page, and what the pages say."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from frontend.views.work import PERSONAL
from labeling.intake.privacy import Kind
from labeling.work.assignments import claim
from tests.browser.scenes import demonstration_task, ranking_task

pytestmark = pytest.mark.django_db

ClientOf = Callable[[User], Client]
LABELER_PAGES = ["/work/ranking/", "/work/demonstration/", "/work/prompt_writing/"]


@pytest.mark.parametrize("path", ["/", "/guidelines/", "/password/", *LABELER_PAGES])
def test_a_stranger_is_asked_to_log_in(client: Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 302
    assert response["Location"].startswith(reverse("login"))


@pytest.mark.parametrize("path", LABELER_PAGES)
def test_labeling_is_not_for_researchers(client_of: ClientOf, rosa: User, path: str) -> None:
    response = client_of(rosa).get(path)
    assert response.status_code == 403
    assert "not open to your account" in response.content.decode()


def test_home_counts_what_waits(client_of: ClientOf, ada: User) -> None:
    demonstration_task()
    page = client_of(ada).get("/").content.decode()
    assert reverse("queue", args=["demonstration"]) in page
    assert "Good to see you, ada" in page


def test_home_brings_researchers_and_admins_to_the_admin(
    client_of: ClientOf, rosa: User, olga: User
) -> None:
    for user in (rosa, olga):
        assert client_of(user).get("/")["Location"] == reverse("admin:index")


def test_an_admin_may_label_and_finds_the_way_back(client_of: ClientOf, olga: User) -> None:
    assert f'href="{reverse("work")}"' in client_of(olga).get("/admin/").content.decode()
    assert f'href="{reverse("admin:index")}"' in client_of(olga).get("/work/").content.decode()


def test_researchers_are_not_sent_where_they_cannot_label(client_of: ClientOf, rosa: User) -> None:
    assert f'href="{reverse("work")}"' not in client_of(rosa).get("/admin/").content.decode()


def test_a_held_task_is_gone_on_with(client_of: ClientOf, ada: User) -> None:
    demonstration_task()
    held = claim(labeler=ada, kinds=["demonstration"])
    response = client_of(ada).get("/work/demonstration/")
    assert response["Location"] == reverse("assignment", args=[held.pk])


def test_somebody_elses_task_is_not_found(client_of: ClientOf, ada: User, ben: User) -> None:
    demonstration_task()
    held = claim(labeler=ada, kinds=["demonstration"])
    assert client_of(ben).get(reverse("assignment", args=[held.pk])).status_code == 404


def test_completions_stand_in_the_labelers_own_order_without_their_model(
    client_of: ClientOf, ada: User
) -> None:
    ranking_task()
    held = claim(labeler=ada, kinds=["ranking"])
    page = client_of(ada).get(reverse("assignment", args=[held.pk])).content.decode()
    places = [page.index(f'data-id="{pk}" aria-label="Completion') for pk in held.display_order]
    assert places == sorted(places)
    assert "hidden-model" not in page


def test_pages_have_nothing_inline_but_the_import_map(client_of: ClientOf, ada: User) -> None:
    ranking_task()
    held = claim(labeler=ada, kinds=["ranking"])
    response = client_of(ada).get(reverse("assignment", args=[held.pk]))
    page = response.content.decode()
    assert " style=" not in page
    assert page.count("<script") - page.count("<script src") - page.count('json"') == 2
    assert "'unsafe-inline'" not in response["Content-Security-Policy"]


def test_an_unknown_kind_of_work_is_not_found(client_of: ClientOf, ada: User) -> None:
    response = client_of(ada).get("/work/gardening/")
    assert response.status_code == 404
    assert "nothing at this address" in response.content.decode()


def test_the_preview_renders_and_refuses_nonsense(client_of: ClientOf, ada: User) -> None:
    client = client_of(ada)
    answer = client.post("/preview/", json.dumps({"text": "**x**"}), "application/json")
    assert answer.json() == {"html": '<p dir="auto"><strong>x</strong></p>\n'}
    for body in ("{", "[]", '{"text": 7}', '{"text": "\\ud800"}', "[" * 100_000):
        assert client.post("/preview/", body, "application/json").status_code == 400


def test_what_looks_like_somebodys_own_is_named_in_the_authors_words(
    client_of: ClientOf, ada: User
) -> None:
    client = client_of(ada)
    ask = lambda text: client.post("/personal/", {"text": text}, "application/json")  # noqa: E731
    found = ask("Write to jo@kiel.de or call +49 30 901820 about the tides.").json()["found"]
    assert found == [
        {"kind": "an e-mail address", "text": "jo@kiel.de"},
        {"kind": "a phone number", "text": "+49 30 901820"},
    ]
    assert ask("Why are there two tides a day?").json() == {"found": []}
    assert ask("").status_code == 200
    assert client.post("/personal/", "{", "application/json").status_code == 400


def test_every_kind_of_personal_data_has_its_words() -> None:
    assert PERSONAL.keys() == set(Kind)


def test_the_session_is_told_and_renewed_in_place(client: Client, ada: User) -> None:
    assert client.get("/session/").status_code == 401
    wrong = {"username": "ada", "password": "no"}
    assert client.post("/login/", wrong, headers={"Accept": "application/json"}).status_code == 400
    right = {"username": "ada", "password": "ada-password"}
    assert client.post("/login/", right, headers={"Accept": "application/json"}).status_code == 204
    assert client.get("/session/").json() == {"username": "ada"}


def test_the_password_is_changed(client_of: ClientOf, ada: User) -> None:
    body = {
        "old_password": "ada-password",
        "new_password1": "tide-and-moon-7",
        "new_password2": "tide-and-moon-7",
    }
    assert client_of(ada).post("/password/", body)["Location"] == reverse("password_changed")
    ada.refresh_from_db()
    assert ada.check_password("tide-and-moon-7")


def test_the_words_of_scripts_are_served(client: Client) -> None:
    assert client.get(reverse("javascript_words"))["Content-Type"].startswith("text/javascript")
