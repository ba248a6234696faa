"""The spread of use cases in the admin, and the scan of prompts that are here."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from accounts.models import User
from labeling.models import Prompt, UseCase
from labeling.queues.shares import USE_CASES
from labeling.queues.use_case_shares import spread

pytestmark = pytest.mark.django_db
Call = Callable[..., Any]


def test_the_targets_are_those_of_the_ten_use_cases() -> None:
    assert set(USE_CASES) == set(UseCase.values)
    assert sum(USE_CASES.values()) == pytest.approx(99.9)


def test_the_spread_is_of_active_prompts(make_prompt: Call, rosa: User, client_of: Call) -> None:
    for number in range(3):
        make_prompt(f"Question {number}?", use_case="open_qa")
    make_prompt("Chat with me.", use_case="chat")
    Prompt.objects.filter(pk=make_prompt("Not me.").pk).update(state="withdrawn")
    had = {one.use_case: (one.count, one.had) for one in spread()}
    assert (had["open_qa"], had["chat"], had["other"]) == ((3, 75.0), (1, 25.0), (0, 0.0))
    assert max(max(one.bar, one.mark) for one in spread()) == 100
    page = client_of(rosa).get("/admin/labeling/prompt/use-cases/").content.decode()
    assert "4 active prompts" in page
    assert '<td class="number">75.0</td><td class="number">12.4</td>' in page


def test_an_empty_installation_says_what_to_do(rosa: User, client_of: Call) -> None:
    page = client_of(rosa).get("/admin/labeling/prompt/use-cases/").content.decode()
    assert "No prompts yet" in page


def test_the_command_scans_what_is_here(make_prompt: Call) -> None:
    make_prompt("Why is the sky blue?")
    old = make_prompt("Write to her.")
    said = [{"role": "user", "content": "Write to ada@lovelace.io."}]
    Prompt.objects.filter(pk=old.pk).update(messages=said)
    for options, state in ((["--dry-run"], "active"), ([], "quarantined")):
        out = StringIO()
        call_command("scan_prompts", "--json", *options, stdout=out)
        assert json.loads(out.getvalue()) == {"prompts": 2, "quarantined": 1}
        assert Prompt.objects.get(pk=old.pk).state == state
