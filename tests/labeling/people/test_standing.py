"""Who is paused is offered nothing, and what they held ends well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import AuditEntry, User
from core.problems import Problem
from labeling.models import Assignment, LabelerProfile, Slot
from labeling.models.guidelines import Purpose
from labeling.people.labelers import change_group
from labeling.people.standing import acts_for, change_state, state_of
from labeling.queues.open_slots import offered
from labeling.work.assignments import claim as claim_task
from labeling.work.assignments import reserve

Call = Callable[..., Any]


def test_whoever_is_paused_is_offered_nothing_until_resumed(
    ada: User, olga: User, make_task: Call, api: Call
) -> None:
    make_task()
    change_state(labeler=ada, act="pause", by=olga)
    assert api(ada, "assignments/claim/", {"kinds": ["ranking"]}).status_code == 204
    assert Slot.objects.get().state == "free"
    change_state(labeler=ada, act="resume", by=olga)
    assert api(ada, "assignments/claim/", {"kinds": ["ranking"]}).status_code == 200
    states = [entry.detail["state"] for entry in AuditEntry.objects.filter(act="labeler_changed")]
    assert states == [["paused", "active"], ["active", "paused"]]


def test_what_is_begun_may_be_finished_and_what_is_reserved_is_free(
    ada: User, olga: User, make_task: Call, claim: Call, api: Call, ranking_of: Call
) -> None:
    for _ in range(3):
        make_task()
    held = claim(ada)
    ahead = reserve(assignment_id=int(held["id"]), labeler=ada)
    assert ahead is not None
    change_state(labeler=ada, act="pause", by=olga)
    ahead.refresh_from_db()
    assert ahead.state == "lapsed"
    assert set(Slot.objects.filter(task=ahead.task).values_list("state", "labeler")) == {
        ("free", None)
    }
    body = ranking_of(held)
    assert api(ada, f"assignments/{held['id']}/heartbeat/", {}).status_code == 200
    assert api(ada, f"assignments/{held['id']}/submit/", body).status_code == 200
    assert claim_task(labeler=ada, kinds=["ranking"]) is None


def test_a_lease_that_ran_out_is_not_taken_up_again_but_a_late_label_counts(
    ada: User, olga: User, make_task: Call, claim: Call, api: Call, ranking_of: Call, run_out: Call
) -> None:
    from labeling.work.leases import expire_leases

    make_task()
    held = claim(ada)
    run_out(int(held["id"]))
    change_state(labeler=ada, act="pause", by=olga)
    assert expire_leases() == 1
    assert api(ada, f"assignments/{held['id']}/heartbeat/", {}).status_code == 409
    body = ranking_of(held)
    assert api(ada, f"assignments/{held['id']}/submit/", body).status_code == 200


def test_whoever_leaves_holds_nothing_and_cannot_log_in(
    ada: User, olga: User, make_task: Call, claim: Call
) -> None:
    make_task()
    held = claim(ada)
    change_state(labeler=ada, act="leave", by=olga)
    ada.refresh_from_db()
    assert not ada.is_active and state_of(ada) == "left"
    assert Assignment.objects.get(pk=held["id"]).state == "lapsed"
    assert Slot.objects.get().state == "free"
    change_state(labeler=ada, act="come_back", by=olga)
    ada.refresh_from_db()
    assert ada.is_active


def test_who_comes_second_is_refused(ada: User, olga: User, rosa: User, api: Call) -> None:
    path = f"labelers/{ada.pk}/state/"
    assert api(rosa, path, {"act": "pause"}).json() == {"state": "paused"}
    again = api(rosa, path, {"act": "pause"})
    assert again.status_code == 409 and "ada is paused" in again.json()["detail"]
    assert api(rosa, path, {"act": "shout"}).status_code == 400
    assert api(ada, path, {"act": "resume"}).status_code == 403
    assert api(rosa, f"labelers/{rosa.pk}/state/", {"act": "pause"}).status_code == 404
    with pytest.raises(Problem):
        change_state(labeler=ada, act="activate", by=olga)


def test_candidates_are_screened_and_nothing_else(
    ada: User, olga: User, make_task: Call, api: Call
) -> None:
    make_task()
    make_task(purpose="screening")
    profile = change_state(labeler=ada, act="assess", by=olga)
    assert offered(profile) == (Purpose.SCREENING,)
    assert api(ada, "assignments/claim/", {"kinds": ["ranking"]}).status_code == 204
    held = claim_task(labeler=ada, kinds=["ranking"], purposes=[Purpose.SCREENING])
    assert held is not None and held.task.purpose == "screening"


def test_a_profile_is_no_condition(ada: User, ben: User) -> None:
    assert state_of(ada) == "active"
    change_group(labeler=ben, group="held_out")
    assert LabelerProfile.objects.get(user=ben).state == "active"
    assert set(acts_for("paused")) == {"resume", "leave"}
