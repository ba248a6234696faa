"""What is done in the admin with labels, reports and evaluations stands in the audit log, without
words of people that may have to be forgotten."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accounts.audit import Act
from accounts.models import AuditEntry, User
from labeling.human_evaluation import evaluations
from labeling.models import Demonstration, Queue
from labeling.queues import steering
from labeling.review import reports
from labeling.work.guidelines import publish_guideline
from models_service.models import ModelVersion

Call = Callable[..., Any]


def newest() -> AuditEntry:
    return AuditEntry.objects.latest("pk")


@pytest.fixture
def held(ada: User, make_task: Call, claim: Call) -> dict[str, Any]:
    make_task("demonstration")
    return claim(ada, "demonstration")


def test_an_answered_report(rosa: User, ada: User, held: Any) -> None:
    told = reports.report(assignment_id=held["id"], labeler=ada, text="It names a neighbour.")
    reports.answer(report_id=told.pk, by=rosa, text="Thank you, it is withdrawn.")
    entry = newest()
    assert (entry.act, entry.by, entry.target_id) == (Act.REPORT_ANSWERED, rosa, told.pk)
    assert entry.detail == {}


def test_a_label_sent_back(rosa: User, ada: User, held: Any, api: Call) -> None:
    api(ada, f"assignments/{held['id']}/submit/", {"text": "So it is."})
    label = Demonstration.objects.get()
    body = {"text": "Leave Zoe's street out."}
    assert api(rosa, f"demonstrations/{label.pk}/send-back/", body).status_code == 200
    entry = newest()
    assert (entry.act, entry.by, entry.target_id) == (Act.LABEL_SENT_BACK, rosa, label.pk)
    assert entry.detail == {}


def test_a_queue_paused(rosa: User, db: None) -> None:
    queue = Queue.objects.create(kind="ranking", purpose="training")
    steering.set_mode(queue=queue, mode="paused", by=rosa)
    entry = newest()
    assert (entry.act, entry.by, entry.detail) == (Act.QUEUE_CHANGED, rosa, {"mode": "paused"})


def test_an_evaluation_opened_and_closed(
    rosa: User, make_prompt: Call, version: ModelVersion
) -> None:
    make_prompt("Held out?", split="test")
    publish_guideline(kind="ranking", purpose="evaluation", text="Be true.")
    other = ModelVersion.objects.create(name="other", kind="policy", checkpoint="nowhere")
    contest = evaluations.open_head_to_head(
        ladder=[version, other], baseline=version, prompts=1, by=rosa
    )
    assert (newest().act, newest().by) == (Act.EVALUATION_OPENED, rosa)
    evaluations.close_head_to_head(contest, by=rosa)
    assert (newest().act, newest().target_id) == (Act.EVALUATION_CLOSED, contest.pk)
