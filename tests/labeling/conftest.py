"""What every labeling test starts from: prompts, tasks with completions, and API calls."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any
from unittest.mock import patch

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from labeling.intake import prompts
from labeling.intake.prompts import add_prompts
from labeling.intake.rows import NewPrompt
from labeling.models import Completion, LabelingTask, Prompt, Slot
from labeling.queues.slots import slots_of
from models_service.models import ModelVersion


@pytest.fixture
def version(db: None) -> ModelVersion:
    """A policy that is never asked."""
    return ModelVersion.objects.create(name="secret-model", kind="base", checkpoint="nowhere")


@pytest.fixture
def make_prompt(db: None) -> Callable[..., Prompt]:
    """`make_prompt("Why?", split="train", topic="")`."""

    def make(text: str = "Why is the sky blue?", *, split: str = "train", **fields: Any) -> Prompt:
        messages = [{"role": "user", "content": text}]
        # The database lets nobody move a prompt afterwards, and fixes an author's side itself.
        owned = fields.get("author") or fields.get("organisation")
        with nullcontext() if owned else patch.object(prompts, "split_of", lambda *_: split):
            add_prompts([NewPrompt(messages=messages, **fields)], source="import")
        return Prompt.objects.get(messages=messages)

    return make


@pytest.fixture
def make_task(version: ModelVersion, make_prompt: Callable[..., Prompt]) -> Callable[..., Any]:
    """`make_task("ranking", k=4, overlap=1, split="train")`: an open task with its slots."""

    def make(
        kind: str = "ranking",
        *,
        k: int = 4,
        overlap: int = 1,
        purpose: str = "training",
        prompt: Prompt | None = None,
        **prompt_fields: Any,
    ) -> LabelingTask:
        number = LabelingTask.objects.count() + 1
        prompt = prompt or make_prompt(f"Question {number}?", **prompt_fields)
        task = LabelingTask.objects.create(
            kind=kind, purpose=purpose, prompt=prompt, state="open", policy=version
        )
        if kind == "ranking":
            _complete(task, version, k)
        Slot.objects.bulk_create(slots_of(task, overlap=overlap))
        return task

    return make


def _complete(task: LabelingTask, version: ModelVersion, k: int) -> None:
    for place in range(k):
        Completion.objects.create(
            task=task,
            position=place,
            version=version,
            text=f"Answer {place}.",
            sampling={},
            seed=place,
            finish_reason="stop",
            prompt_tokens=3,
            completion_tokens=3,
        )


@pytest.fixture
def api(client_of: Callable[[User], Client]) -> Callable[..., Any]:
    """`api(ada, "assignments/1/submit/", {...})`: a JSON request, POST unless told otherwise."""

    def call(user: User, path: str, body: Any = None, *, method: str = "post") -> Any:
        send = getattr(client_of(user), method)
        return send(f"/api/v1/{path}", body, content_type="application/json")

    return call


@pytest.fixture
def claim(api: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """`claim(ada)`: the assignment a labeler gets."""

    def call(user: User, kind: str = "ranking") -> dict[str, Any]:
        response = api(user, "assignments/claim/", {"kinds": [kind]})
        assert response.status_code == 200, response.content
        return response.json()

    return call


@pytest.fixture
def ranking_of() -> Callable[..., dict[str, Any]]:
    """A complete submission for an assignment: all in one order, the first two tied."""

    def make(assignment: dict[str, Any], **changes: Any) -> dict[str, Any]:
        first, second, *rest = [completion["id"] for completion in assignment["completions"]]
        return {
            "ranking": [[first, second], *[[item] for item in rest]],
            "ratings": {
                item: {"overall": 4, "flags": ["hallucination"]} for item in [first, second, *rest]
            },
            "active_seconds": 30,
            **changes,
        }

    return make


@pytest.fixture
def run_out() -> Callable[[int], None]:
    """`run_out(assignment_id)`: its lease ended a second ago."""

    def end(assignment_id: int) -> None:
        from labeling.models import Assignment

        moment = timezone.now() - timezone.timedelta(seconds=1)
        rows = Assignment.objects.filter(pk=assignment_id)
        rows.update(lease_expires_at=moment)
        Slot.objects.filter(task=rows.get().task_id, state="held").update(lease_expires_at=moment)

    return end
