"""A labeler says what the prompt at hand is for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from labeling.models import BulkChange, Prompt

pytestmark = pytest.mark.django_db
Call = Callable[..., Any]


def test_a_labeler_sets_the_use_case_of_the_prompt_at_hand(
    ada: User, ben: User, make_task: Call, claim: Call, api: Call
) -> None:
    make_task()
    path = f"assignments/{claim(ada)['id']}/use-case/"
    assert api(ada, path, {"use_case": "open_qa"}).json() == {"use_case": "open_qa"}
    assert Prompt.objects.get().use_case == "open_qa"
    assert (BulkChange.objects.get().field, BulkChange.objects.get().by) == ("use_case", ada)
    assert api(ada, path, {"use_case": "spying"}).status_code == 400
    assert api(ben, path, {"use_case": "chat"}).status_code == 404


def test_not_once_the_task_is_over(ada: User, make_task: Call, claim: Call, api: Call) -> None:
    make_task()
    mine = claim(ada)["id"]
    api(ada, f"assignments/{mine}/release/", {"reason": "Too hard."})
    assert api(ada, f"assignments/{mine}/use-case/", {"use_case": "chat"}).status_code == 409


def test_not_where_the_prompt_is_still_to_be_written(
    ada: User, make_task: Call, claim: Call, api: Call
) -> None:
    task = make_task("prompt_writing")
    type(task).objects.update(prompt=None)
    mine = claim(ada, "prompt_writing")["id"]
    assert api(ada, f"assignments/{mine}/use-case/", {"use_case": "chat"}).status_code == 409
