"""Labelers' evaluations over HTTP: planned, opened, measured, drawn, closed."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from core.problems import Problem
from labeling.models import (
    Completion,
    HeadToHead,
    LabelingTask,
    RankedCompletion,
    Ranking,
    Slot,
)
from labeling.queues.open_slots import profile_of
from labeling.queues.slots import slots_of
from labeling.work.guidelines import publish_guideline
from models_service.models import ModelVersion
from models_service.services import register_prompted
from tests.trainer.conftest import Labels
from trainer.evaluation import jobs
from trainer.models import Evaluation, Measurement

pytestmark = pytest.mark.django_db
Call = Callable[..., Any]


@pytest.fixture
def ladder(base: ModelVersion) -> list[ModelVersion]:
    """The tiny model, and the same under a prompt: it speaks, and can be scored."""
    publish_guideline(kind="ranking", purpose="evaluation", text="Truth first.")
    return [base, register_prompted(name="prompted", version=base, prefix="Be brief.")]


@pytest.fixture
def client(client_of: Call, rosa: User) -> Any:
    return client_of(rosa)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Ids of measurements that went to a worker."""
    from trainer import tasks

    ids: list[int] = []
    monkeypatch.setattr(tasks.measure, "delay", ids.append)
    return ids


def opened(client: Any, ladder: list[ModelVersion], **changes: Any) -> Any:
    body = {"ladder": [v.pk for v in ladder], "baseline": ladder[0].pk, "prompts": 4} | changes
    return client.post("/api/v1/evaluations/", body, content_type="application/json")


def answered(contest: HeadToHead, labeler: User, ranks: list[tuple[int, int]]) -> None:
    """Answers of both versions and a ranking of them for every task; ranks as the ladder stands."""
    for task, both in zip(contest.tasks.order_by("pk"), ranks, strict=True):
        ranking = Ranking.objects.create(
            task=task, prompt=task.asked, labeler=labeler, group=profile_of(labeler).group
        )
        for place, (version, rank) in enumerate(zip(contest.ladder, both, strict=True)):
            answer = Completion.objects.create(
                task=task,
                position=place,
                version_id=version,
                text="yes " * (place + 1),
                sampling={},
                seed=place,
                finish_reason="stop",
                prompt_tokens=5,
                completion_tokens=3 + place,
            )
            RankedCompletion.objects.create(
                ranking=ranking, completion=answer, rank=rank, overall=8 - rank
            )
        Slot.objects.bulk_create(slots_of(task, overlap=1))
    Slot.objects.update(state=Slot.State.FILLED, labeler=labeler)
    contest.tasks.update(state=LabelingTask.State.OPEN)


@pytest.fixture
def contest(client: Any, ladder: list[ModelVersion], labels: Labels, ada: User) -> HeadToHead:
    """Four prompts; the prompted version won three and tied one."""
    for _ in range(4):
        labels.prompt("test")
    assert opened(client, ladder).status_code == 201
    contest = HeadToHead.objects.get()
    answered(contest, ada, [(2, 1), (2, 1), (1, 1), (2, 1)])
    return contest


def test_the_plan_says_how_sure_it_would_be(client: Any) -> None:
    url = "/api/v1/evaluations/plan/?prompts=100&labels=1&versions=3&rate=0.6&power=0.8"
    found = client.get(url).json()
    assert found["half_width"] == pytest.approx(0.0992, abs=1e-4)
    # ((1.96 + 0.8416) / 0.1)² · 0.6 · 0.4 = 188.4, and Student's quantile is above 1.96.
    assert found["prompts_needed"] == 191
    assert 0.5 < found["power"] < 0.55
    assert found["comparisons"] == 200
    assert found["assumed"]["correlation"] == 0.45
    assert found["assumed"]["labelers"] == 1  # Ada
    several = client.get(f"{url}&labelers=3&labeler_effect=0.5").json()
    assert several["half_width"] > found["half_width"]
    assert several["prompts_needed"] is None
    assert client.get("/api/v1/evaluations/plan/?rate=0.5").status_code == 400


def test_what_cannot_be_is_refused_by_field(client: Any, ladder: list[ModelVersion]) -> None:
    answer = opened(client, ladder[:1])
    assert answer.status_code == 400 and {"ladder", "prompts"} <= set(answer.json()["errors"])
    assert opened(client, ladder, baseline=99).json()["errors"]["baseline"]
    assert opened(client, ladder, labels_training=-1).json()["errors"]["labels_training"]


def test_figures_are_there_while_labels_come_in(client: Any, contest: HeadToHead) -> None:
    found = client.get(f"/api/v1/evaluations/{contest.pk}/").json()
    assert found["progress"]["given"] == 4
    figures = found["verdicts"]["training"]["versions"]["prompted"]
    assert figures["win_rate"]["value"] == 0.875
    text = client.get(f"/api/v1/evaluations/{contest.pk}/figures/win-rate.csv").content.decode()
    [row] = csv.DictReader(io.StringIO(text))
    assert (row["series"], row["x"], row["value"]) == ("Training labelers", "prompted", "0.875")
    drawn = client.get(f"/api/v1/evaluations/{contest.pk}/figures/win-rate.svg")
    assert drawn["Content-Type"] == "image/svg+xml" and b"prompted" in drawn.content
    data = client.get(f"/api/v1/evaluations/{contest.pk}/figures/likert.json").json()
    assert {row["x"] for row in data["rows"]} == {"tiny", "prompted"}
    for name in ("nothing.svg", "win-rate.exe"):
        path = f"/api/v1/evaluations/{contest.pk}/figures/{name}"
        assert client.get(path).status_code == 404


def test_measured_it_is_evidence(
    client: Any,
    contest: HeadToHead,
    ladder: list[ModelVersion],
    reward: ModelVersion,
    sent: list[int],
) -> None:
    answer = client.post(f"/api/v1/evaluations/{contest.pk}/close/")
    assert answer.status_code == 200 and sent == [answer.json()["id"]]
    assert client.post(f"/api/v1/evaluations/{contest.pk}/close/").status_code == 409
    assert jobs.perform(sent[0])
    assert not jobs.perform(sent[0])
    measurement = Measurement.objects.get()
    assert (measurement.state, measurement.failure) == ("finished", "")
    assert measurement.done == measurement.total == 8
    rows = {(row.version.name, row.judge): row for row in Evaluation.objects.all()}
    assert set(rows) == {(v.name, j) for v in ladder for j in ("labelers", "reward")}
    judged = rows["prompted", "reward"]
    assert judged.baseline == ladder[0] and rows["tiny", "reward"].baseline is None
    assert 0 <= judged.figures["win_rate"]["value"] <= 1
    assert judged.figures["win_rate"]["n"] == 4
    # The same weights; only the prompt before the prompt can make a difference.
    assert judged.figures["kl"]["value"] != 0
    assert rows["prompted", "labelers"].figures["win_rate"]["value"] == 0.875

    again = client.post(f"/api/v1/evaluations/{contest.pk}/measure/")
    assert again.status_code == 202 and jobs.perform(sent[1])
    assert Evaluation.objects.count() == 4


def test_without_a_reward_model_people_are_heard_alone(
    client: Any, contest: HeadToHead, sent: list[int]
) -> None:
    client.post(f"/api/v1/evaluations/{contest.pk}/measure/")
    jobs.perform(sent[0])
    assert "No reward model" in Measurement.objects.get().figures["without"]
    assert set(Evaluation.objects.values_list("judge", flat=True)) == {"labelers"}


def test_it_closes_by_itself_with_the_last_label(contest: HeadToHead) -> None:
    [pk] = jobs.tend()
    contest.refresh_from_db()
    assert contest.closed_at and Measurement.objects.get().pk == pk
    assert jobs.tend() == [], "its message is on its way"
    Measurement.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    assert [jobs.tend(), jobs.tend()] == [[pk], []], "it was lost"
    jobs.perform(pk)
    assert jobs.tend() == []


def test_somebody_closes_it_at_the_same_moment(
    contest: HeadToHead, monkeypatch: pytest.MonkeyPatch
) -> None:
    progress = jobs.told.progress

    def closed_meanwhile(one: HeadToHead) -> Any:
        found = progress(one)
        jobs.close_contest(contest=contest)
        return found

    monkeypatch.setattr(jobs.told, "progress", closed_meanwhile)
    assert jobs.tend() == [], "who closed it sends the measurement"
    assert Measurement.objects.get().state == "queued"
    with pytest.raises(Problem, match="closed already"):
        jobs.close_contest(contest=contest)


def test_researchers_alone(contest: HeadToHead, ada: User, client_of: Call) -> None:
    client = client_of(ada)
    for path in ("", "plan/", f"{contest.pk}/", f"{contest.pk}/figures/win-rate.svg"):
        assert client.get(f"/api/v1/evaluations/{path}").status_code == 403
    assert client.post(f"/api/v1/evaluations/{contest.pk}/close/").status_code == 403


def test_its_page_shows_figures_with_their_tables(client: Any, contest: HeadToHead) -> None:
    page = client.get(f"/admin/labeling/headtohead/{contest.pk}/change/").content.decode()
    assert page.count('role="img"') >= 8 and "4 of 4 labels are given" in page
    assert "win-rate.svg" in page and "One labeler says nothing about others" in page
    baseline = contest.baseline_id
    assert (
        client.get(f"/admin/trainer/evaluation/versions/{baseline}/divergence/").status_code == 200
    )
