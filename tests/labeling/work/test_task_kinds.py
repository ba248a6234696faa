"""The table of task kinds: a toy one that is added to it is drawn, claimed, shown, submitted over
the API, amended and exported, as docs/extend/task_kind.md says."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils.module_loading import import_string
from rest_framework import serializers

from accounts.models import User
from core.problems import refuse
from labeling.api.serializers import SubmitBody
from labeling.models import Assignment, Demonstration, LabelingTask, Queue
from labeling.queues.queues import refill
from labeling.task_kinds import TASK_KINDS, Kind
from labeling.work import demonstrations

pytestmark = pytest.mark.django_db
Call = Callable[..., Any]
FIELDS = ("summary",)


class SummaryBody(serializers.Serializer[Any]):
    summary = serializers.CharField()
    active_seconds = serializers.FloatField(min_value=0, required=False)


def store(
    assignment: Assignment, body: Mapping[str, Any], seconds: int, supersedes: Any
) -> Demonstration:
    """Keep `{"summary": ...}`, of twenty words at most, as a demonstration."""
    if len(body["summary"].split()) > 20:
        refuse("summary", "Write twenty words at most.")
    return demonstrations.store(assignment, {"text": body["summary"]}, seconds, supersedes)


def outcomes(assignment: Assignment) -> list[Demonstration]:
    """The summaries, the newest first."""
    return demonstrations.outcomes(assignment)


def context(mine: Assignment) -> dict[str, Any]:
    """What the page shows besides."""
    return {"words": 20}


@pytest.fixture(autouse=True)
def summary(monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy kind in the table."""
    kind = Kind(
        "summary",
        "Summary",
        module=__name__,
        body=f"{__name__}.SummaryBody",
        template="work/demonstration.html",
        context=f"{__name__}.context",
    )
    monkeypatch.setitem(TASK_KINDS, "summary", kind)
    # The bodies of the schema are looked up once a process, as a real kind is there from the start.
    bodies = [import_string(one.body) for one in TASK_KINDS.values()]
    monkeypatch.setattr(SubmitBody, "_serializers", bodies)


@pytest.fixture
def queue(make_prompt: Call) -> Queue:
    """A queue of summaries that has opened its task."""
    make_prompt("Sum up the wind.")
    queue = Queue.objects.create(kind="summary", purpose="training", ready=1)
    refill()
    return queue


def test_a_toy_kind_goes_from_its_queue_into_an_export(
    queue: Queue,
    ada: User,
    claim: Call,
    api: Call,
    client_of: Callable[[User], Client],
    tmp_path: Path,
) -> None:
    assert LabelingTask.objects.get().state == LabelingTask.State.OPEN
    held = claim(ada, "summary")
    assert (held["kind"], held["completions"]) == ("summary", [])
    assert held["prompt"]["messages"][-1]["content"] == "Sum up the wind."
    page = client_of(ada).get(reverse("assignment", args=[held["id"]]))
    assert page.context["words"] == 20
    assert '<h1 class="visually-hidden">Summary</h1>' in page.content.decode()

    address = f"assignments/{held['id']}/"
    wordy = api(ada, f"{address}submit/", {"summary": "so " * 21})
    assert wordy.json()["errors"] == {"summary": ["Write twenty words at most."]}
    assert api(ada, f"{address}submit/", {"summary": "It blows."}).status_code == 200
    assert Assignment.objects.get().draft["summary"] == "It blows."
    assert api(ada, f"{address}amend/", {"summary": "It blew."}).status_code == 200

    out = tmp_path / "summaries.jsonl"
    call_command("export", "demonstrations", "--out", str(out))
    [line] = map(json.loads, out.read_text().splitlines())
    assert (line["messages"][-1]["content"], line["response"]) == ("Sum up the wind.", "It blew.")


def test_a_toy_kind_is_offered(
    queue: Queue, ada: User, client_of: Callable[[User], Client]
) -> None:
    home = client_of(ada).get(reverse("home")).content.decode()
    assert reverse("queue", args=["summary"]) in home
    assert client_of(ada).get(reverse("queue", args=["summary"])).status_code == 200
    assert client_of(ada).get(reverse("queue", args=["poem"])).status_code == 404
    schema = client_of(ada).get("/api/schema/?format=json").json()
    assert "summary" in json.dumps(schema["components"]["schemas"]["SummaryBody"])


def test_what_is_in_no_table_is_refused(ada: User, api: Call) -> None:
    answer = api(ada, "assignments/claim/", {"kinds": ["poem"]})
    assert answer.status_code == 400
    assert "kinds" in answer.json()["errors"]
