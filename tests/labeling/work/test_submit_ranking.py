"""Submitting a ranking."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from labeling.models import Assignment, RankedCompletion, Ranking, Slot
from labeling.work.guidelines import current_form, publish_form
from labeling.work.leases import expire_leases

Call = Callable[..., Any]


@pytest.fixture
def held(ada: User, make_task: Call, claim: Call) -> dict[str, Any]:
    """Ada's assignment."""
    make_task()
    return claim(ada)


@pytest.fixture
def submit(api: Call, held: dict[str, Any]) -> Call:
    """`submit(ada, body)` on Ada's assignment."""
    return lambda user, body: api(user, f"assignments/{held['id']}/submit/", body)


def _ids(held: dict[str, Any]) -> list[str]:
    return [completion["id"] for completion in held["completions"]]


def test_it_stores_ranks_ratings_and_their_versions(
    ada: User, held: dict[str, Any], submit: Call, ranking_of: Call
) -> None:
    response = submit(ada, ranking_of(held))
    assert response.status_code == 200, response.content
    ranking = Ranking.objects.get()
    ranked = dict(ranking.ranked.values_list("completion_id", "rank"))
    assert ranked == dict(zip(map(int, _ids(held)), [1, 1, 2, 3], strict=True))
    assert set(ranking.ranked.values_list("overall", flat=True)) == {4}
    assert ranking.ranked.first().flags == ["hallucination"]
    assert (ranking.form.version, ranking.active_seconds, ranking.labeler) == (1, 30, ada)
    assert ranking.display_order == [int(item) for item in _ids(held)]
    assert Slot.objects.get().state == "filled"


def test_the_same_body_again_gives_the_same_answer(
    ada: User, held: dict[str, Any], submit: Call, ranking_of: Call
) -> None:
    first = submit(ada, ranking_of(held))
    again = submit(ada, ranking_of(held, active_seconds=31))
    assert (again.status_code, again.json()) == (200, first.json())
    assert Ranking.objects.count() == 1


def test_it_refuses_another_body_after_the_submit(
    ada: User, held: dict[str, Any], submit: Call, ranking_of: Call
) -> None:
    submit(ada, ranking_of(held))
    other = ranking_of(held, ranking=[[item] for item in _ids(held)])
    assert submit(ada, other).status_code == 409
    assert RankedCompletion.objects.filter(rank=1).count() == 2


def _without_last(held: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    return body | {"ranking": body["ranking"][:-1]}


def _first_twice(held: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    return body | {"ranking": [*body["ranking"], [_ids(held)[0]]]}


def _stranger(held: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    return body | {"ranking": [*body["ranking"], ["999999"]]}


def _not_lists(held: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    return body | {"ranking": _ids(held)}


def _empty_tier(held: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    return body | {"ranking": [*body["ranking"], []]}


def _rating(**change: Any) -> Call:
    def apply(held: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        ratings = {**body["ratings"]}
        ratings[_ids(held)[0]] = {**ratings[_ids(held)[0]], **change}
        return body | {"ratings": ratings}

    return apply


def _unrated(held: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    return body | {"ratings": {i: r for i, r in body["ratings"].items() if i != _ids(held)[0]}}


def _rated_stranger(held: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    return body | {"ratings": {**body["ratings"], "999999": {"overall": 3}}}


@pytest.mark.parametrize(
    ("spoil", "field"),
    [
        (_without_last, "ranking"),
        (_first_twice, "ranking"),
        (_stranger, "ranking"),
        (_not_lists, "ranking"),
        (_empty_tier, "ranking"),
        (_rating(overall=8), "ratings.{first}.overall"),
        (_rating(overall=0), "ratings.{first}.overall"),
        (_rating(overall=True), "ratings.{first}.overall"),
        (_rating(overall="4"), "ratings.{first}.overall"),
        (_rating(flags=["charming"]), "ratings.{first}.flags"),
        (_rating(flags=["hallucination", "hallucination"]), "ratings.{first}.flags"),
        (_rating(flags="hallucination"), "ratings.{first}.flags"),
        (_unrated, "ratings.{first}"),
        (_rated_stranger, "ratings.'999999'"),
        (lambda held, body: body | {"ratings": []}, "ratings"),
        (lambda held, body: body | {"active_seconds": -1}, "active_seconds"),
        (lambda held, body: body | {"active_seconds": "long"}, "active_seconds"),
        (lambda held, body: {}, "ranking"),
    ],
)
def test_it_refuses_what_is_wrong_and_names_the_field(
    ada: User,
    held: dict[str, Any],
    submit: Call,
    ranking_of: Call,
    api: Call,
    spoil: Call,
    field: str,
) -> None:
    draft = {"draft": {"kept": True}, "draft_version": 0}
    api(ada, f"assignments/{held['id']}/draft/", draft, method="put")
    response = submit(ada, spoil(held, ranking_of(held)))
    assert response.status_code == 400
    assert response["content-type"].startswith("application/problem+json")
    assert field.format(first=_ids(held)[0]) in response.json()["errors"]
    assert not Ranking.objects.exists()
    assignment = Assignment.objects.get()
    assert (assignment.state, assignment.draft) == ("active", {"kept": True})
    assert Slot.objects.get().state == "held"


def test_it_refuses_a_completion_of_another_task(
    ada: User, held: dict[str, Any], submit: Call, ranking_of: Call, make_task: Call
) -> None:
    foreign = make_task().completions.first()
    body = ranking_of(held)
    body["ranking"][-1] = [str(foreign.pk)]
    response = submit(ada, body)
    assert response.status_code == 400
    assert "not part of this task" in str(response.json()["errors"]["ranking"])


def test_it_refuses_somebody_elses_assignment(
    ben: User, held: dict[str, Any], submit: Call, ranking_of: Call
) -> None:
    assert submit(ben, ranking_of(held)).status_code == 404
    assert not Ranking.objects.exists()


@pytest.mark.parametrize("path", ["", "draft/", "heartbeat/", "release/"])
def test_others_see_nothing_of_it(ben: User, held: dict[str, Any], api: Call, path: str) -> None:
    method = {"": "get", "draft/": "put"}.get(path, "post")
    body = {"draft": {}, "draft_version": 0, "reason": "x"} if path else None
    response = api(ben, f"assignments/{held['id']}/{path}", body, method=method)
    assert response.status_code == 404
    assert Assignment.objects.get().state == "active"


def test_it_counts_a_late_submit_while_the_slot_is_free(
    ada: User, held: dict[str, Any], submit: Call, ranking_of: Call, run_out: Call
) -> None:
    run_out(held["id"])
    expire_leases()
    assert submit(ada, ranking_of(held)).status_code == 200
    assert (Slot.objects.get().state, Slot.objects.get().labeler) == ("filled", ada)


def test_it_refuses_a_late_submit_when_the_slot_is_taken(
    ada: User,
    ben: User,
    held: dict[str, Any],
    submit: Call,
    ranking_of: Call,
    run_out: Call,
    claim: Call,
) -> None:
    run_out(held["id"])
    expire_leases()
    claim(ben)
    response = submit(ada, ranking_of(held))
    assert response.status_code == 409
    assert "Your work is kept" in response.json()["detail"]
    assert not Ranking.objects.exists()
    assert Slot.objects.get().labeler == ben


def test_it_asks_the_database_a_fixed_number_of_times(
    ada: User, make_task: Call, claim: Call, ranking_of: Call, client_of: Call
) -> None:
    make_task(k=9)
    current_form()
    held = claim(ada)
    client = client_of(ada)
    path = f"/api/v1/assignments/{held['id']}/submit/"
    with CaptureQueriesContext(connection) as queries:
        client.post(path, ranking_of(held), "application/json")
    said = [query["sql"] for query in queries if "SAVEPOINT" not in query["sql"]]
    # user · assignment and form · slot · ranking · its places · other rankings · assignment
    assert len(said) <= 8, "\n".join(said)


@pytest.mark.django_db(transaction=True)
def test_a_doubled_submit_is_stored_once(
    ada: User, held: dict[str, Any], ranking_of: Call, client_of: Callable[[User], Client]
) -> None:
    body, barrier = ranking_of(held), Barrier(2)
    clients = [client_of(ada), client_of(ada)]

    def race(client: Client) -> tuple[int, Any]:
        barrier.wait()
        try:
            path = f"/api/v1/assignments/{held['id']}/submit/"
            response = client.post(path, body, content_type="application/json")
            return response.status_code, response.json()
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(race, clients)
    assert first == second
    assert first[0] == 200
    assert Ranking.objects.count() == 1


def test_a_label_keeps_the_form_that_was_shown(
    ada: User, held: dict[str, Any], submit: Call, ranking_of: Call, client_of: Call
) -> None:
    shown = current_form()
    fewer = [flag for flag in shown.fields["flags"] if flag["name"] != "hallucination"]
    newer = publish_form(fields=shown.fields | {"flags": fewer})
    page = client_of(ada).get(f"/work/assignments/{held['id']}/")
    assert "Hallucination" in page.content.decode()
    assert submit(ada, ranking_of(held)).status_code == 200
    assert Ranking.objects.get().form == shown != newer
