"""The rounds API: who may use it, what it refuses, what it tells, and what it changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from models_service.models import ModelVersion, Promotion
from models_service.selectors import promoted
from tests.trainer.conftest import Labels
from trainer.models import TrainingRound, TrainingRun
from trainer.rounds.start import start_round
from trainer.rounds.steps import begin, freeze_labels, open_run
from trainer.runs import runner
from trainer.runs.reporter import RunReporter

pytestmark = pytest.mark.django_db
ClientOf = Callable[[User], Client]


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No worker listens here; counts what the views would have sent."""
    from trainer import tasks

    sent: list[str] = []
    monkeypatch.setattr(tasks.advance_rounds, "delay", lambda: sent.append("advance"))
    return sent


def post(client: Client, path: str, body: dict[str, Any] | None = None) -> Any:
    return client.post(f"/api/v1/{path}", json.dumps(body or {}), "application/json")


@pytest.fixture(autouse=True)
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is another test's business."""
    monkeypatch.setattr("trainer.runs.machine_memory.metrics", dict)


@pytest.fixture
def round(labels: Labels) -> TrainingRound:
    labels.enough()
    return start_round(preset="tiny")


@pytest.mark.parametrize(
    "path", ["rounds/", "rounds/{pk}/", "rounds/{pk}/metrics/", "versions/", "versions/{version}/"]
)
def test_only_the_desk_reads(
    round: TrainingRound, ada: User, rosa: User, olga: User, client_of: ClientOf, path: str
) -> None:
    url = "/api/v1/" + path.format(pk=round.pk, version=round.start_id)
    assert Client().get(url).status_code in (401, 403)
    assert client_of(ada).get(url).status_code == 403
    assert client_of(rosa).get(url).status_code == 200
    assert client_of(olga).get(url).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "rounds/",
        *(f"rounds/{{pk}}/{a}/" for a in ("pause", "resume", "cancel", "retry", "promote")),
        "versions/{version}/promote/",
    ],
)
def test_a_labeler_changes_nothing(
    round: TrainingRound, ada: User, client_of: ClientOf, path: str
) -> None:
    url = path.format(pk=round.pk, version=round.start_id)
    assert post(client_of(ada), url).status_code == 403
    round.refresh_from_db()
    assert round.state == "queued"
    assert TrainingRound.objects.count() == 1
    assert Promotion.objects.count() == 1


def test_a_researcher_starts_a_round(
    labels: Labels, rosa: User, client_of: ClientOf, quiet: list[str]
) -> None:
    labels.enough()
    body = {"preset": "tiny", "name": "First", "recipe": {"ppo": {"iterations": 3}}}
    answer = post(client_of(rosa), "rounds/", body)
    assert answer.status_code == 201
    told = answer.json()
    assert (told["title"], told["state"], told["actions"]) == (
        "First",
        "queued",
        ["pause", "cancel"],
    )
    assert told["recipe"]["ppo"]["iterations"] == 3
    assert TrainingRound.objects.get().started_by == rosa
    assert quiet == ["advance"]


def test_too_few_labels_are_a_problem_with_numbers(
    base: ModelVersion, rosa: User, client_of: ClientOf, quiet: list[str]
) -> None:
    answer = post(client_of(rosa), "rounds/", {"preset": "tiny"})
    assert answer.status_code == 409
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["needed"]["rankings"] == 8
    assert answer.json()["labels"]["rankings"] == 0
    assert answer.json()["errors"]["rankings"] == ["0 there, 8 needed"]
    assert quiet == []


def test_a_wrong_value_is_named(
    labels: Labels, rosa: User, client_of: ClientOf, quiet: list[str]
) -> None:
    labels.enough()
    body = {"preset": "tiny", "recipe": {"sft": {"epochs": "many"}}}
    answer = post(client_of(rosa), "rounds/", body)
    assert answer.status_code == 400
    assert answer.json()["errors"] == {"sft.epochs": "must be of type int, not str"}


def test_actions_follow_the_state(
    round: TrainingRound, rosa: User, client_of: ClientOf, quiet: list[str]
) -> None:
    client = client_of(rosa)
    assert post(client, f"rounds/{round.pk}/pause/").json()["actions"] == ["resume", "cancel"]
    assert post(client, f"rounds/{round.pk}/pause/").status_code == 409
    assert post(client, f"rounds/{round.pk}/resume/").json()["state"] == "queued"
    assert post(client, f"rounds/{round.pk}/cancel/").json()["actions"] == ["retry"]
    refused = post(client, f"rounds/{round.pk}/promote/")
    assert refused.status_code == 409
    assert "has no policy yet" in refused.json()["detail"]


def test_curves_come_whole_and_then_only_what_is_new(
    round: TrainingRound, rosa: User, client_of: ClientOf
) -> None:
    begin(round=round)
    freeze_labels(round=round)
    round.refresh_from_db()
    opened = open_run(round=round, stage="sft")
    assert opened is not None
    claimed = runner.claim(opened.pk)
    assert claimed is not None
    report = RunReporter(claimed)
    report.metrics(1, 9, {"sft/loss": 3.0})
    report.metrics(2, 9, {"sft/loss": 2.0})
    client, url = client_of(rosa), f"/api/v1/rounds/{round.pk}/metrics/"
    first = client.get(url).json()
    assert first["stages"] == {"sft": {"sft/loss": [[1, 3.0], [2, 2.0]]}}
    assert client.get(url, {"since": first["cursor"]}).json()["stages"] == {}
    report.metrics(2, 9, {"eval/loss": 2.5})
    news = client.get(url, {"since": first["cursor"]}).json()
    assert news["stages"]["sft"]["eval/loss"] == [[2, 2.5]]
    assert client.get(url, {"since": "yesterday"}).status_code == 400
    told = client.get(f"/api/v1/rounds/{round.pk}/").json()["runs"][0]
    assert (told["state"], told["progress"]["step"], told["progress"]["total"]) == ("running", 2, 9)
    assert TrainingRun.objects.get().step == 2


def test_a_version_is_promoted_by_its_researcher(
    base: ModelVersion, rosa: User, client_of: ClientOf
) -> None:
    policy = ModelVersion.objects.create(name="p", kind="policy", checkpoint="p", parent=base)
    answer = post(client_of(rosa), f"versions/{policy.pk}/promote/", {"reason": "Better."})
    assert answer.status_code == 200
    assert answer.json()["roles"] == ["policy"]
    newest = Promotion.objects.latest()
    assert (newest.by, newest.reason) == (rosa, "Better.")
    assert promoted("policy") == policy
    refused = post(client_of(rosa), f"versions/{policy.pk}/promote/", {"role": "reward"})
    assert refused.status_code == 400
