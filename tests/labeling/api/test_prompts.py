"""`POST /api/v1/prompts/`."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.models import Role, User
from accounts.services import create_user
from accounts.tokens import create_token
from core import bodies
from labeling.intake import clients
from labeling.models import ClientDay, ClientProfile, ClientRequest, Prompt

Call = Callable[..., Any]


@pytest.fixture
def feed(db: None) -> User:
    """An API client."""
    return create_user(name="feed", role=Role.CLIENT)[0]


def test_a_token_adds_one_prompt(feed: User) -> None:
    response = Client().post(
        "/api/v1/prompts/",
        {"prompt": "Why?", "use_case": "open_qa"},
        content_type="application/json",
        headers={"authorization": f"Token {create_token(user=feed)[1]}"},
    )
    assert response.status_code == 201, response.content
    assert response.json()["added"] == 1
    assert (Prompt.objects.get().source, Prompt.objects.get().organisation) == ("api", "feed")


def test_it_adds_a_list_once(feed: User, api: Call) -> None:
    rows = [{"prompt": "One"}, {"prompt": "Two"}, {"prompt": "one"}]
    assert api(feed, "prompts/", rows).json()["duplicates"] == 1
    assert api(feed, "prompts/", rows).json() == {
        "added": 0,
        "duplicates": 3,
        "near_duplicates": 0,
        "over_limit": 0,
        "quarantined": 0,
    }
    assert Prompt.objects.count() == 2


def test_it_refuses_all_when_one_is_wrong(feed: User, api: Call) -> None:
    rows = [{"prompt": "One"}, {"prompt": ""}, 7]
    response = api(feed, "prompts/", rows)
    assert response.status_code == 400
    assert list(response.json()["errors"]) == ["[1].prompt", "[2].row"]
    assert not Prompt.objects.exists()


def test_it_refuses_more_than_a_thousand(feed: User, api: Call) -> None:
    assert api(feed, "prompts/", [{"prompt": "x"}] * 1001).status_code == 400


def test_it_is_not_for_labelers(ada: User, api: Call) -> None:
    assert api(ada, "prompts/", {"prompt": "One"}).status_code == 403


@pytest.mark.parametrize("said", [{}, {"author": ""}, {"author": None}])
def test_prompts_without_an_author_count_for_the_client(
    feed: User, api: Call, settings: Any, said: dict[str, Any]
) -> None:
    settings.LABELING = settings.LABELING | {"max_prompts_per_author": 2}
    rows = [{"prompt": f"Question {n}?"} | said for n in range(3)]
    result = api(feed, "prompts/", rows).json()
    assert (result["added"], result["over_limit"]) == (2, 1)
    assert set(Prompt.objects.values_list("author", "organisation")) == {("feed", "feed")}


def test_a_body_of_many_megabytes_is_refused_unread(feed: User, ada: User, api: Call) -> None:
    prompt = "x" * (bodies.MAX_BYTES + 1)
    assert api(feed, "prompts/", {"prompt": prompt}).status_code == 400  # too long for a prompt
    response = api(ada, "assignments/claim/", {"kinds": [prompt]})
    assert (response.status_code, response.json()["status"]) == (413, 413)


def _keyed(api_client: Client, body: Any, key: str) -> Any:
    return api_client.post(
        "/api/v1/prompts/", body, content_type="application/json", headers={"Idempotency-Key": key}
    )


def test_a_key_that_comes_again_is_answered_as_before(feed: User, client_of: Call) -> None:
    client, rows = client_of(feed), [{"prompt": "One"}, {"prompt": "Two"}]
    first = _keyed(client, rows, "k")
    again = _keyed(client, rows, "k")
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.json()["added"] == 2  # not counted as known already
    assert ClientDay.objects.get().prompts == 2
    assert _keyed(client, rows, "other").json()["duplicates"] == 2


def test_a_key_with_another_body_is_refused(feed: User, ada: User, client_of: Call) -> None:
    client = client_of(feed)
    _keyed(client, {"prompt": "One"}, "k")
    refused = _keyed(client, {"prompt": "Two"}, "k")
    assert (refused.status_code, list(refused.json()["errors"])) == (422, ["Idempotency-Key"])
    other = create_user(name="other", role=Role.CLIENT)[0]
    assert _keyed(client_of(other), {"prompt": "Two"}, "k").status_code == 201


def test_a_refused_request_leaves_its_key_free(feed: User, client_of: Call) -> None:
    client = client_of(feed)
    assert _keyed(client, {"prompt": ""}, "k").status_code == 400
    assert _keyed(client, {"prompt": "One"}, "k").json()["added"] == 1
    assert _keyed(client, {"prompt": "One"}, "k" * 201).status_code == 400


def test_a_key_is_kept_for_a_day(feed: User, client_of: Call) -> None:
    client = client_of(feed)
    _keyed(client, {"prompt": "One"}, "k")
    ClientRequest.objects.update(at=timezone.now() - timedelta(days=1, seconds=1))
    assert _keyed(client, {"prompt": "Two"}, "k").json()["added"] == 1
    assert clients.forget_old() == 0


@pytest.mark.django_db(transaction=True)
def test_two_requests_with_one_key_at_once_add_once(feed: User) -> None:
    body, calls = {"prompt": "One"}, []

    def slowly() -> dict[str, Any]:
        calls.append(1)
        time.sleep(0.2)
        return {"added": len(calls)}

    def ask() -> dict[str, Any]:
        try:
            return clients.once(by=feed, key="k", body=body, answer=slowly)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        answers = [future.result() for future in [pool.submit(ask), pool.submit(ask)]]
    assert (answers, len(calls)) == ([{"added": 1}] * 2, 1)


def test_a_day_has_its_measure(feed: User, api: Call, settings: Any) -> None:
    settings.LABELING = settings.LABELING | {"prompts_per_day": 3}
    assert api(feed, "prompts/", [{"prompt": "One"}, {"prompt": "Two"}]).status_code == 201
    refused = api(feed, "prompts/", [{"prompt": "Three"}, {"prompt": "Four"}])
    assert (refused.status_code, refused.json()["sent"]) == (429, 2)
    assert 0 < int(refused.headers["Retry-After"]) <= 86_400
    assert Prompt.objects.count() == 2
    assert api(feed, "prompts/", {"prompt": "Three"}).status_code == 201
    ClientProfile.objects.create(user=feed, prompts_per_day=4)
    assert api(feed, "prompts/", {"prompt": "Four"}).status_code == 201
    ClientDay.objects.update(day=date(2020, 1, 1))
    assert api(feed, "prompts/", {"prompt": "Five"}).status_code == 201


def test_personal_data_sent_over_the_api_is_kept_apart(feed: User, api: Call) -> None:
    answer = api(feed, "prompts/", {"prompt": "Write to ada@lovelace.io."}).json()
    assert (answer["added"], answer["quarantined"]) == (0, 1)
