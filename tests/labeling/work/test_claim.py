"""Claiming a task."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from labeling.models import Assignment, LabelerProfile, Slot
from labeling.work import assignments, leases
from labeling.work.guidelines import current_form, publish_guideline
from labeling.work.leases import expire_leases
from tests.labeling.racing import apart, at_once

Call = Callable[..., Any]


def test_it_answers_as_the_contract_says(ada: User, make_task: Call, claim: Call) -> None:
    publish_guideline(kind="ranking", purpose="training", text="Be kind.")
    make_task()
    found = claim(ada)
    assert list(found) == [
        "id", "kind", "purpose", "lease_expires_at", "draft", "draft_version",
        "guideline", "prompt", "completions",
    ]  # fmt: skip
    assert found["prompt"]["messages"] == [{"role": "user", "content": "Question 1?"}]
    assert sorted(c["text"] for c in found["completions"]) == [f"Answer {n}." for n in range(4)]
    assert found["guideline"]["version"] == 1


def test_it_never_names_the_model(ada: User, make_task: Call, api: Call) -> None:
    make_task()
    response = api(ada, "assignments/claim/", {"kinds": ["ranking"]})
    assert "secret" not in response.content.decode()
    assert set(response.json()["completions"][0]) == {"id", "text", "cut"}


def test_it_answers_204_when_nothing_waits(ada: User, api: Call) -> None:
    assert api(ada, "assignments/claim/", {"kinds": ["ranking"]}).status_code == 204


def test_it_gives_the_held_task_again(ada: User, make_task: Call, claim: Call) -> None:
    make_task(), make_task()
    assert claim(ada) | {"lease_expires_at": 0} == claim(ada) | {"lease_expires_at": 0}


def test_it_stores_one_display_order_a_labeler(
    ada: User, ben: User, make_task: Call, claim: Call
) -> None:
    make_task(k=9, overlap=2)
    for labeler in (ada, ben):
        order = [int(c["id"]) for c in claim(labeler)["completions"]]
        assert Assignment.objects.get(labeler=labeler).display_order == order


def test_it_never_offers_a_task_twice(
    ada: User, make_task: Call, claim: Call, api: Call, ranking_of: Call
) -> None:
    make_task(overlap=2)
    found = claim(ada)
    api(ada, f"assignments/{found['id']}/submit/", ranking_of(found))
    assert api(ada, "assignments/claim/", {"kinds": ["ranking"]}).status_code == 204


def test_it_never_offers_a_released_task_again(
    ada: User, ben: User, make_task: Call, claim: Call, api: Call
) -> None:
    make_task()
    path = f"assignments/{claim(ada)['id']}/release/"
    assert api(ada, path, {"reason": "unclear"}).json()["state"] == "released"
    assert api(ada, "assignments/claim/", {"kinds": ["ranking"]}).status_code == 204
    assert claim(ben)["kind"] == "ranking"


def test_it_never_offers_a_declined_topic(ada: User, make_task: Call, api: Call) -> None:
    LabelerProfile.objects.create(user=ada, declined_topics=["violence"])
    make_task(topic="violence")
    assert api(ada, "assignments/claim/", {"kinds": ["ranking"]}).status_code == 204


def test_it_gives_held_out_labelers_no_training_data(
    ada: User, make_task: Call, claim: Call
) -> None:
    LabelerProfile.objects.create(user=ada, group="held_out")
    make_task(split="train")
    wanted = make_task(split="validation")
    assert claim(ada)["prompt"]["id"] == wanted.prompt_id


def test_it_takes_the_highest_priority_first(ada: User, make_task: Call, claim: Call) -> None:
    make_task()
    urgent = make_task()
    Slot.objects.filter(task=urgent).update(priority=5)
    assert claim(ada)["prompt"]["id"] == urgent.prompt_id


def test_it_brings_a_lapsed_task_back_with_its_draft(
    ada: User, make_task: Call, claim: Call, api: Call, run_out: Call
) -> None:
    make_task()
    found = claim(ada)
    body = {"draft": {"tiers": []}, "draft_version": 0}
    api(ada, f"assignments/{found['id']}/draft/", body, method="put")
    run_out(found["id"])
    assert expire_leases() == 1
    assert Slot.objects.get().state == "free"
    again = claim(ada)
    assert (again["id"], again["draft"]) == (found["id"], {"tiers": []})
    assert Slot.objects.get().labeler == ada


@pytest.mark.parametrize("body", [{}, {"kinds": []}, {"kinds": ["essay"]}, [1], {"kinds": 3}])
def test_it_refuses_unknown_kinds(ada: User, api: Call, body: Any) -> None:
    response = api(ada, "assignments/claim/", body)
    assert response.status_code == 400
    assert response["content-type"].startswith("application/problem+json")


def test_it_is_for_labelers_alone(rosa: User, olga: User, api: Call, client: Any) -> None:
    body = {"kinds": ["ranking"]}
    assert api(rosa, "assignments/claim/", body).status_code == 403
    assert api(olga, "assignments/claim/", body).status_code == 204
    assert client.post("/api/v1/assignments/claim/", body).status_code in (401, 403)


def test_it_asks_the_database_a_fixed_number_of_times(
    ada: User, make_task: Call, client_of: Call
) -> None:
    for _ in range(20):
        make_task(k=9)
    current_form()
    client = client_of(ada)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        client.post("/api/v1/assignments/claim/", {"kinds": ["ranking"]}, "application/json")
    said = [query["sql"] for query in queries if "SAVEPOINT" not in query["sql"]]
    # user · lock and profile · held · next slot (evaluation, training) · hold · guideline ·
    # form · completions · assignment · texts (the session lies in the cache)
    assert len(said) <= 11, "\n".join(said)


@pytest.mark.django_db(transaction=True)
def test_the_last_slot_goes_to_one_of_two(ada: User, ben: User, make_task: Call) -> None:
    make_task()
    outcomes = at_once(
        lambda: assignments.claim(labeler=ada, kinds=["ranking"]),
        lambda: assignments.claim(labeler=ben, kinds=["ranking"]),
    )
    won = [outcome for outcome in outcomes if outcome]
    assert len(won) == 1
    assert Slot.objects.get().labeler == won[0].labeler


@pytest.mark.django_db(transaction=True)
def test_two_tabs_get_the_same_task(ada: User, make_task: Call) -> None:
    make_task(), make_task()
    first, second = at_once(*[lambda: assignments.claim(labeler=ada, kinds=["ranking"])] * 2)
    assert first is not None and first == second
    assert Slot.objects.filter(state="held").count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_task_released_meanwhile_is_not_taken_up_again(
    ada: User, make_task: Call, claim: Call, run_out: Call
) -> None:
    make_task()
    pk = claim(ada)["id"]
    run_out(pk)
    expire_leases()
    stale = Assignment.objects.get(pk=pk)
    assignments.release(assignment_id=pk, labeler=ada, reason="unclear")
    assert leases.hold(Slot.objects.get(), stale) is False
    assert (Slot.objects.get().state, Assignment.objects.get().state) == ("free", "released")


@pytest.mark.django_db(transaction=True)
def test_a_claim_waits_for_what_another_tab_does(
    ada: User, make_task: Call, claim: Call, run_out: Call
) -> None:
    make_task()
    pk = claim(ada)["id"]
    run_out(pk)
    expire_leases()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            assignments.release(assignment_id=pk, labeler=ada, reason="unclear")
            claimed = pool.submit(apart, lambda: assignments.claim(labeler=ada, kinds=["ranking"]))
            with pytest.raises(TimeoutError):
                claimed.result(timeout=0.3)
        assert claimed.result() is None
    assert Slot.objects.get().state == "free"


def test_leases_end_for_all_who_are_late_and_for_nobody_else(
    ada: User, ben: User, make_task: Call, claim: Call, run_out: Call
) -> None:
    make_task(overlap=2), make_task()
    late, other = claim(ada)["id"], claim(ben)["id"]
    run_out(late)
    Slot.objects.filter(labeler=ben).update(lease_expires_at=None)
    assert expire_leases() == 1
    assert Assignment.objects.get(pk=late).state == "lapsed"
    assert Assignment.objects.get(pk=other).state == "active"
    assert Slot.objects.get(state="held").labeler == ben
