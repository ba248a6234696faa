"""Drafts and heartbeats: nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from labeling.models import Assignment, Slot
from labeling.work.leases import expire_leases

Call = Callable[..., Any]


@pytest.fixture
def held(ada: User, make_task: Call, claim: Call) -> int:
    """The id of Ada's assignment."""
    make_task()
    return claim(ada)["id"]


def test_it_counts_the_versions(ada: User, held: int, api: Call) -> None:
    for version in range(3):
        body = {"draft": {"n": version}, "draft_version": version}
        response = api(ada, f"assignments/{held}/draft/", body, method="put")
        assert response.json() == {"draft_version": version + 1}
    assert Assignment.objects.get().draft == {"n": 2}


def test_it_tells_an_older_tab_what_is_newer(ada: User, held: int, api: Call) -> None:
    path = f"assignments/{held}/draft/"
    api(ada, path, {"draft": {"tab": 1}, "draft_version": 0}, method="put")
    response = api(ada, path, {"draft": {"tab": 2}, "draft_version": 0}, method="put")
    assert response.status_code == 409
    assert (response.json()["draft_version"], response.json()["draft"]) == (1, {"tab": 1})
    assert Assignment.objects.get().draft == {"tab": 1}


def test_it_is_there_after_a_reload(ada: User, held: int, api: Call) -> None:
    api(ada, f"assignments/{held}/draft/", {"draft": {"a": 1}, "draft_version": 0}, method="put")
    assert api(ada, f"assignments/{held}/", method="get").json()["draft"] == {"a": 1}


def test_it_is_kept_after_the_lease(ada: User, held: int, api: Call, run_out: Call) -> None:
    run_out(held)
    expire_leases()
    body = {"draft": {"late": True}, "draft_version": 0}
    assert api(ada, f"assignments/{held}/draft/", body, method="put").status_code == 200
    assert Assignment.objects.get().state == "lapsed"


@pytest.mark.parametrize(
    "body",
    [
        {"draft": [], "draft_version": 0},
        {"draft": {}},
        {"draft": {}, "draft_version": -1},
        {"draft": {"text": "a\0b"}, "draft_version": 0},
        {"draft": {"text": "x" * 600_000}, "draft_version": 0},
    ],
)
def test_it_refuses_what_is_no_draft(ada: User, held: int, api: Call, body: Any) -> None:
    response = api(ada, f"assignments/{held}/draft/", body, method="put")
    assert response.status_code == 400
    assert {"draft", "draft_version"} & set(response.json()["errors"])


@pytest.mark.parametrize("value", [rb'"\ud800"', b"1e400"], ids=["half a pair", "endless"])
def test_it_refuses_what_the_database_cannot_hold(
    ada: User, held: int, client_of: Call, value: bytes
) -> None:
    response = client_of(ada).put(
        f"/api/v1/assignments/{held}/draft/",
        b'{"draft": {"value": ' + value + b'}, "draft_version": 0}',
        content_type="application/json",
    )
    assert response.status_code == 400


def test_it_refuses_a_body_nested_too_deeply(ada: User, held: int, client_of: Call) -> None:
    response = client_of(ada).put(
        f"/api/v1/assignments/{held}/draft/", b"[" * 100_000, content_type="application/json"
    )
    assert response.status_code == 400


def test_a_heartbeat_extends_the_lease(ada: User, held: int, api: Call, run_out: Call) -> None:
    run_out(held)
    response = api(ada, f"assignments/{held}/heartbeat/")
    assert response.status_code == 200
    assert expire_leases() == 0
    assert Slot.objects.get().lease_expires_at == Assignment.objects.get().lease_expires_at


def test_a_heartbeat_takes_a_free_task_up_again(
    ada: User, held: int, api: Call, run_out: Call
) -> None:
    run_out(held)
    expire_leases()
    assert api(ada, f"assignments/{held}/heartbeat/").status_code == 200
    assert (Assignment.objects.get().state, Slot.objects.get().labeler) == ("active", ada)


def test_a_heartbeat_says_when_somebody_else_has_it(
    ada: User, ben: User, held: int, api: Call, claim: Call, run_out: Call
) -> None:
    run_out(held)
    expire_leases()
    claim(ben)
    response = api(ada, f"assignments/{held}/heartbeat/")
    assert response.status_code == 409
    assert "Your work is kept" in response.json()["detail"]


def test_nothing_changes_after_a_release(ada: User, held: int, api: Call) -> None:
    api(ada, f"assignments/{held}/release/", {"reason": "beyond my knowledge"})
    body = {"draft": {}, "draft_version": 0}
    assert api(ada, f"assignments/{held}/draft/", body, method="put").status_code == 409
    assert api(ada, f"assignments/{held}/submit/", {"text": "x"}).status_code == 409
    assert Assignment.objects.get().release_reason == "beyond my knowledge"


def test_a_release_needs_a_reason(ada: User, held: int, api: Call) -> None:
    response = api(ada, f"assignments/{held}/release/", {})
    assert (response.status_code, "reason" in response.json()["errors"]) == (400, True)
