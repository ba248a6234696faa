"""`POST /api/v1/prompts/`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import Role, User
from accounts.services import create_token, create_user
from labeling.api import bodies
from labeling.models import Prompt

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
        headers={"authorization": f"Token {create_token(user=feed)}"},
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
