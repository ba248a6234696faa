"""Submitting a demonstration or a written prompt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from labeling.models import Assignment, Demonstration, LabelingTask, Prompt, Slot
from labeling.queues.slots import slots_of

Call = Callable[..., Any]

WRITTEN = {
    "prompt_kind": "few_shot",
    "instruction": "Is it warm?",
    "examples": [{"input": "sun", "output": "yes"}, {"input": "ice", "output": "no"}],
    "use_case": "classification",
}


@pytest.fixture
def writing(db: None) -> LabelingTask:
    """An open prompt-writing task."""
    task = LabelingTask.objects.create(
        kind="prompt_writing", state="open", brief={"use_case": "chat"}
    )
    Slot.objects.bulk_create(slots_of(task, overlap=1))
    return task


def test_it_stores_a_demonstration_as_it_was_written(
    ada: User, make_task: Call, claim: Call, api: Call
) -> None:
    make_task("demonstration")
    held = claim(ada, "demonstration")
    assert held["completions"] == []
    text = "  Because blue light scatters most.\n"
    assert api(ada, f"assignments/{held['id']}/submit/", {"text": text}).status_code == 200
    assert Demonstration.objects.get().text == text
    assert Demonstration.objects.get().prompt_id == held["prompt"]["id"]


@pytest.mark.parametrize("text", ["", "  \n\t", None, 7, "a\0b", "x" * 100_001])
def test_it_refuses_an_empty_demonstration(
    ada: User, make_task: Call, claim: Call, api: Call, text: Any
) -> None:
    make_task("demonstration")
    held = claim(ada, "demonstration")
    response = api(ada, f"assignments/{held['id']}/submit/", {"text": text})
    assert response.status_code == 400
    assert "text" in response.json()["errors"]
    assert not Demonstration.objects.exists()
    assert Assignment.objects.get().state == "active"


def test_it_shows_the_use_case_to_write_for(ada: User, writing: LabelingTask, claim: Call) -> None:
    prompt = claim(ada, "prompt_writing")["prompt"]
    assert prompt == {"id": None, "messages": [], "use_case": "chat"}


def test_it_turns_a_few_shot_prompt_into_a_prompt(
    ada: User, writing: LabelingTask, claim: Call, api: Call
) -> None:
    held = claim(ada, "prompt_writing")
    assert api(ada, f"assignments/{held['id']}/submit/", WRITTEN).status_code == 200
    prompt = Prompt.objects.get()
    assert (prompt.kind, prompt.use_case, prompt.source) == (
        "few_shot",
        "classification",
        "labeler",
    )
    assert prompt.author == str(ada.pseudonym)
    assert prompt.last_message == "Is it warm?\n\nInput: sun\nOutput: yes\n\nInput: ice\nOutput:"
    writing.refresh_from_db()
    assert writing.prompt == prompt


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"prompt_kind": "haiku"}, "prompt_kind"),
        ({"instruction": " "}, "instruction"),
        ({"examples": WRITTEN["examples"][:1]}, "examples"),
        ({"examples": [{"input": "a"}, {"input": "b", "output": "c"}]}, "examples[0].output"),
        ({"use_case": "spying"}, "use_case"),
        ({"prompt_kind": "plain", "instruction": None}, "instruction"),
    ],
)
def test_it_refuses_a_written_prompt_and_names_the_field(
    ada: User, writing: LabelingTask, claim: Call, api: Call, change: Any, field: str
) -> None:
    held = claim(ada, "prompt_writing")
    response = api(ada, f"assignments/{held['id']}/submit/", WRITTEN | change)
    assert response.status_code == 400
    assert list(response.json()["errors"]) == [field]
    assert not Prompt.objects.exists()


def test_it_refuses_a_prompt_that_is_there_already(
    ada: User, writing: LabelingTask, claim: Call, api: Call, make_prompt: Call
) -> None:
    make_prompt("Tell me a JOKE")
    held = claim(ada, "prompt_writing")
    body = {"prompt_kind": "plain", "instruction": "tell me a  joke", "use_case": "chat"}
    response = api(ada, f"assignments/{held['id']}/submit/", body)
    assert (response.status_code, Prompt.objects.count()) == (400, 1)
    assert Slot.objects.get().state == "held"
