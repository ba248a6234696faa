"""Reserving the task that comes next, and going on with it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from accounts.models import User
from labeling.models import Assignment, LabelerProfile, Queue, Slot
from labeling.work import assignments
from labeling.work.guidelines import acknowledge, publish_guideline
from labeling.work.leases import expire_leases
from tests.labeling.racing import apart, at_once

Call = Callable[..., Any]


@pytest.fixture
def first(ada: User, make_task: Call, claim: Call) -> dict[str, Any]:
    """What Ada holds while three more tasks wait."""
    for _ in range(4):
        make_task()
    return claim(ada)


@pytest.fixture
def reserve(api: Call, first: dict[str, Any]) -> Call:
    """`reserve(ada)`: the response for the task after the first."""
    return lambda user: api(user, f"assignments/{first['id']}/next/")


@pytest.fixture
def submit(api: Call, ada: User, first: dict[str, Any], ranking_of: Call) -> Call:
    """`submit(next)`: the answer to Ada's submit of the first task."""

    def call(following: Any) -> Any:
        path = f"assignments/{first['id']}/submit/?next={following}"
        return api(ada, path, ranking_of(first))

    return call


def test_it_answers_with_another_task_held_for_a_short_while(
    ada: User, first: dict[str, Any], reserve: Call
) -> None:
    found = reserve(ada).json()
    assert list(found) == list(first)
    assert found["prompt"]["id"] != first["prompt"]["id"]
    assert found["lease_expires_at"] < first["lease_expires_at"]
    assert Slot.objects.filter(state="held", labeler=ada).count() == 2


def test_it_answers_with_the_same_one_again_for_longer(ada: User, reserve: Call) -> None:
    found, again = reserve(ada).json(), reserve(ada).json()
    assert again["id"] == found["id"]
    assert again["lease_expires_at"] > found["lease_expires_at"]
    assert Slot.objects.filter(state="held").count() == 2


def test_it_leaves_the_last_free_slot_to_whoever_has_nothing(
    ada: User, ben: User, make_task: Call, claim: Call, api: Call
) -> None:
    make_task(), make_task()
    path = f"assignments/{claim(ada)['id']}/next/"
    assert api(ada, path).status_code == 204
    assert claim(ben)


def test_it_is_for_whoever_holds_the_first_task(
    ada: User, ben: User, first: dict[str, Any], reserve: Call, api: Call
) -> None:
    assert reserve(ben).status_code == 404
    api(ada, f"assignments/{first['id']}/release/", {"reason": "unclear"})
    assert reserve(ada).status_code == 409


def test_nobody_else_gets_it(ada: User, ben: User, reserve: Call, claim: Call) -> None:
    assert reserve(ada).json()["prompt"]["id"] != claim(ben)["prompt"]["id"]


def test_it_begins_with_the_submit_of_the_one_before(
    ada: User, reserve: Call, submit: Call, claim: Call
) -> None:
    following = reserve(ada).json()
    reserved = Assignment.objects.get(pk=following["id"])
    assert submit(following["id"]).json()["next"] == following["id"]
    begun = Assignment.objects.get(pk=following["id"])
    assert begun.state == "active"
    assert begun.claimed_at > reserved.claimed_at
    assert begun.lease_expires_at > reserved.lease_expires_at
    assert Slot.objects.get(task=begun.task).lease_expires_at == begun.lease_expires_at
    assert claim(ada)["id"] == following["id"]


def test_the_same_submit_again_gives_the_same_answer(
    ada: User, reserve: Call, submit: Call
) -> None:
    pk = reserve(ada).json()["id"]
    assert submit(pk).json() == submit(pk).json()


def test_it_begins_when_the_one_before_is_skipped(
    ada: User, first: dict[str, Any], reserve: Call, api: Call
) -> None:
    pk = reserve(ada).json()["id"]
    path = f"assignments/{first['id']}/release/?next={pk}"
    assert api(ada, path, {"reason": "unclear"}).json()["next"] == pk
    assert Assignment.objects.get(pk=pk).state == "active"


def test_a_claim_takes_the_begun_one_first_and_then_the_reserved(
    ada: User, first: dict[str, Any], reserve: Call, claim: Call, api: Call, ranking_of: Call
) -> None:
    pk = reserve(ada).json()["id"]
    assert claim(ada)["id"] == first["id"]
    api(ada, f"assignments/{first['id']}/submit/", ranking_of(first))
    assert claim(ada)["id"] == pk
    assert Assignment.objects.get(pk=pk).state == "active"


def test_it_goes_back_when_nobody_asks_for_it_any_more(
    ada: User, ben: User, reserve: Call, submit: Call, claim: Call, run_out: Call
) -> None:
    following = reserve(ada).json()
    run_out(following["id"])
    assert expire_leases() == 1
    taken = claim(ben)
    assert taken["prompt"]["id"] == following["prompt"]["id"]
    assert submit(following["id"]).json()["next"] is None
    assert Slot.objects.get(task__prompt=taken["prompt"]["id"]).labeler == ben


def test_a_lapsed_one_is_reserved_again_under_its_old_id(
    ada: User, reserve: Call, run_out: Call
) -> None:
    pk = reserve(ada).json()["id"]
    run_out(pk)
    expire_leases()
    assert reserve(ada).json()["id"] == pk
    assert Assignment.objects.get(pk=pk).state == "reserved"


def test_a_topic_declined_meanwhile_does_not_arrive(
    ada: User, first: dict[str, Any], make_task: Call, reserve: Call, submit: Call, api: Call
) -> None:
    violent = make_task(topic="violence")
    Slot.objects.filter(task=violent).update(priority=9)
    pk = reserve(ada).json()["id"]
    assert Assignment.objects.get(pk=pk).task == violent
    api(ada, "topics/", {"declined_topics": ["violence"]}, method="put")
    assert submit(pk).json()["next"] is None
    assert Assignment.objects.get(pk=pk).state == "lapsed"
    assert Slot.objects.get(task=violent).state == "free"


def test_a_queue_paused_meanwhile_hands_nothing_out(ada: User, reserve: Call, submit: Call) -> None:
    pk = reserve(ada).json()["id"]
    Queue.objects.create(kind="ranking", purpose="training", paused=True)
    assert submit(pk).json()["next"] is None


def test_held_out_labelers_keep_no_reserved_training_data(
    ada: User, reserve: Call, submit: Call
) -> None:
    pk = reserve(ada).json()["id"]
    LabelerProfile.objects.create(user=ada, group="held_out")
    assert submit(pk).json()["next"] is None


def test_a_skipped_task_is_not_reserved(ada: User, make_task: Call, claim: Call, api: Call) -> None:
    for _ in range(3):
        make_task()
    skipped = claim(ada)
    api(ada, f"assignments/{skipped['id']}/release/", {"reason": "unclear"})
    # Two are left, the skipped one is not among them.
    held = claim(ada)
    assert api(ada, f"assignments/{held['id']}/next/").status_code == 204


@pytest.mark.parametrize("following", ["0", "x", ""])
def test_a_next_that_is_none_does_no_harm(submit: Call, following: str) -> None:
    answer = submit(following)
    stored = answer.status_code == 200 and answer.json().get("next") is None
    assert stored or "next" in answer.json()["errors"]


def test_somebody_elses_is_never_begun(
    ada: User, ben: User, reserve: Call, claim: Call, submit: Call
) -> None:
    reserve(ada)
    assert submit(claim(ben)["id"]).json()["next"] is None


def test_a_submit_of_one_that_never_began_counts(
    ada: User, reserve: Call, api: Call, ranking_of: Call
) -> None:
    found = reserve(ada).json()
    path = f"assignments/{found['id']}/submit/"
    assert api(ada, path, ranking_of(found)).status_code == 200


def test_a_heartbeat_of_its_own_begins_it(ada: User, reserve: Call, api: Call) -> None:
    pk = reserve(ada).json()["id"]
    assert api(ada, f"assignments/{pk}/heartbeat/").status_code == 200
    assert Assignment.objects.get(pk=pk).state == "active"


def test_reading_a_new_guideline_holds_for_it_too(ada: User, reserve: Call) -> None:
    pk = reserve(ada).json()["id"]
    newer = publish_guideline(kind="ranking", purpose="training", text="Be kinder.")
    older = publish_guideline(kind="ranking", purpose="training", text="Be kind.")
    newest = max(newer, older, key=lambda one: one.version)
    Assignment.objects.filter(pk=pk).update(guideline=min(newer, older, key=lambda g: g.version))
    acknowledge(guideline_id=newest.pk, labeler=ada)
    assert Assignment.objects.get(pk=pk).guideline == newest


@pytest.mark.django_db(transaction=True)
def test_two_tabs_reserve_the_same_one(ada: User, make_task: Call, claim: Call) -> None:
    for _ in range(4):
        make_task()
    pk = claim(ada)["id"]
    first, second = at_once(*[lambda: assignments.reserve(assignment_id=pk, labeler=ada)] * 2)
    assert first is not None and first == second
    assert Slot.objects.filter(state="held").count() == 2


@pytest.mark.django_db(transaction=True)
def test_two_who_reserve_and_claim_at_once_never_share(
    ada: User, ben: User, make_task: Call, claim: Call
) -> None:
    for _ in range(3):
        make_task()
    pk = claim(ada)["id"]
    reserved, claimed = at_once(
        lambda: assignments.reserve(assignment_id=pk, labeler=ada),
        lambda: assignments.claim(labeler=ben, kinds=["ranking"]),
    )
    assert claimed is not None
    assert reserved is None or reserved.task != claimed.task


@pytest.mark.django_db(transaction=True)
def test_while_one_reserves_another_can_have_the_slot_that_stays_free(
    ada: User, ben: User, make_task: Call, claim: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        make_task()
    pk, assign = claim(ada)["id"], assignments._assign

    def claim_meanwhile() -> Assignment | None:
        return apart(lambda: assignments.claim(labeler=ben, kinds=["ranking"]))

    with ThreadPoolExecutor(1) as pool:

        def slowly(slot: Slot, labeler: User, **held: Any) -> Assignment | None:
            if labeler == ada:
                assert pool.submit(claim_meanwhile).result() is not None
            return assign(slot, labeler, **held)

        monkeypatch.setattr(assignments, "_assign", slowly)
        assert assignments.reserve(assignment_id=pk, labeler=ada) is not None
    assert Slot.objects.filter(state="held").count() == 3
