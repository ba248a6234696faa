"""The home of admins and researchers: what waits, counted in the menu, and the first steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from accounts.models import User
from labeling.models import Assignment, Import, LabelingTask, Queue, Ranking, Report, Review
from models_service.models import ModelVersion
from models_service.worker_heartbeats import forget_served, tell_served
from tests.trainer.conftest import Labels
from trainer.admin.to_do import MANY, counts_for, first_steps, waiting_for
from trainer.models import TrainingRound

pytestmark = pytest.mark.django_db
Call = Callable[..., Any]


@pytest.fixture(autouse=True)
def workers() -> None:
    """Both are heard, and nothing is remembered of another test."""
    cache.clear()
    tell_served(["sampling", "training"])


@pytest.fixture
def make_assignment(labels: Labels) -> Call:
    """`make_assignment(ada)`: a demonstration that somebody is asked for."""

    def make(labeler: User) -> Assignment:
        task = labels.demonstration().task
        return Assignment.objects.create(
            task=task, labeler=labeler, lease_expires_at=timezone.now()
        )

    return make


def said(user: User) -> list[str]:
    return [one.says for one in waiting_for(user)]


def test_where_nothing_waits_nothing_is_said(rosa: User) -> None:
    assert said(rosa) == []


def test_what_labelers_said_waits(rosa: User, olga: User, labels: Labels) -> None:
    ranking = labels.ranking()
    LabelingTask.objects.filter(pk=ranking.task_id).update(disagreement=0.5)
    LabelingTask.objects.filter(pk=labels.ranking().task_id).update(disagreement=0.4)
    assert said(rosa) == ["1 task is to be adjudicated: its labelers disagree"]
    labels.prompt()
    prompt = labels.prompt()
    prompt.state = "quarantined"
    prompt.save()
    Import.objects.create(name="a.jsonl", size=1, state="checked", by=olga)
    assert said(rosa) == ["1 task is to be adjudicated: its labelers disagree"]
    assert said(olga)[1:] == ["1 prompt is in quarantine", "1 import is checked and can be stored"]


def test_reports_and_answered_send_backs(
    rosa: User, ada: User, make_assignment: Call, labels: Labels
) -> None:
    assignment = make_assignment(ada)
    Report.objects.create(assignment=assignment, text="The prompt is cut.")
    assert said(rosa) == ["1 report waits for an answer"]
    Report.objects.update(answered_at=timezone.now())
    ranking = labels.ranking(labeler=ada)
    Ranking.objects.filter(pk=ranking.pk).update(assignment=assignment)
    Review.objects.create(assignment=assignment, kind="sent_back", text="Read on.", by=rosa)
    assert said(rosa) == []
    assignment.ended_at = timezone.now()
    assignment.save()
    assert said(rosa) == ["1 ranking that was sent back came again this week"]


def test_what_stops_others_comes_first(rosa: User, base: ModelVersion, labels: Labels) -> None:
    LabelingTask.objects.filter(pk=labels.ranking().task_id).update(disagreement=0.9)
    TrainingRound.objects.create(
        preset="tiny", recipe={}, start=base, state="failed", ended_at=timezone.now()
    )
    Queue.objects.create(kind="demonstration", purpose="training", ready=8)
    Queue.objects.create(kind="ranking", purpose="training", ready=8, paused=True)
    forget_served(["training"])
    found = waiting_for(rosa)
    assert [one.bad for one in found] == [True, True, True, False]
    assert [one.says for one in found][:3] == [
        "1 round failed in the last seven days",
        "Running dry: Demonstration · Training",
        "No worker trains: start one, or look at its log",
    ]


def test_a_failed_round_that_was_done_again_needs_nobody(rosa: User, base: ModelVersion) -> None:
    for state in ("failed", "finished"):
        TrainingRound.objects.create(
            preset="tiny", recipe={}, start=base, state=state, ended_at=timezone.now()
        )
    assert said(rosa) == []


def test_the_menu_counts_and_every_line_leads_somewhere(
    client: Client, rosa: User, ada: User, make_assignment: Call
) -> None:
    for _ in range(3):
        Report.objects.create(assignment=make_assignment(ada), text="The prompt is cut.")
    assert counts_for(rosa)["labeling.Report"].number == "3"
    client.force_login(rosa)
    page = client.get("/admin/")
    assert "3 reports wait for an answer" in page.content.decode()
    for one in waiting_for(rosa):
        listed = client.get(one.url)
        assert listed.status_code == 200
        assert listed.context["cl"].result_count == one.count


def test_counts_end_at_a_hundred(rosa: User, ada: User, make_assignment: Call) -> None:
    assignment = make_assignment(ada)
    Report.objects.bulk_create(Report(assignment=assignment, text="x") for _ in range(MANY + 20))
    [one] = waiting_for(rosa)
    assert (one.number, one.says) == ("100+", "100 or more reports wait for an answer")


def test_first_steps_are_ticked_and_go_away(
    client: Client, rosa: User, ada: User, base: ModelVersion, labels: Labels
) -> None:
    labels.prompt()
    done = {step.title: step.done for step in first_steps()}
    assert done["Add people"] and done["Import prompts"]
    assert not done["Collect labels"] and not done["Start the first round"]
    client.force_login(rosa)
    page = client.get("/admin/").content.decode()
    assert "First steps" in page and "0 of " in page
    TrainingRound.objects.create(preset="tiny", recipe={}, start=base, state="finished")
    assert first_steps() == []
    assert "First steps" not in client.get("/admin/").content.decode()
