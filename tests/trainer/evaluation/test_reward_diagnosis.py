"""A reward model's diagnosis: by hand on fixed scores, and as a job with the tiny model."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from accounts.models import User
from labeling.human_evaluation.results import Judged
from labeling.models import BulkChange, Completion, LabelingTask, Prompt
from models_service import reward_scoring
from models_service.lm.reading import Said
from models_service.models import ModelVersion
from tests.trainer.conftest import Labels
from trainer.evaluation import jobs
from trainer.evaluation.reward_diagnosis import diagnosis, gap_title, scored_pairs
from trainer.evaluation.reward_figures import score_distributions
from trainer.models import Measurement

Call = Callable[..., Any]


FINISHED = {11, 12, 31}


def ranked(ranking: int, prompt: int, labeler: int, ranks: dict[int, tuple[int, int]]) -> list[Any]:
    """Completions by number, with rank and rating."""
    return [
        Judged(ranking, prompt, "chat", labeler, "training", completion, 1, rank, overall, [], 5,
               finished=completion in FINISHED)
        for completion, (rank, overall) in ranks.items()
    ]  # fmt: skip


ROWS = [
    *ranked(1, 1, 7, {11: (1, 6), 12: (2, 4), 13: (2, 4)}),
    *ranked(2, 2, 8, {21: (1, 5), 22: (2, 1)}),
    *ranked(3, 3, 8, {31: (1, 5), 32: (2, 5)}),
]
SCORES = {11: 2.0, 12: 1.0, 13: 3.0, 21: 0.0, 22: -1.0, 31: 1.0, 32: 4.0}
SPLITS = {1: "validation", 2: "validation", 3: "train"}
NAMES = {7: "seven", 8: "eight"}


def test_accuracy_by_hand() -> None:
    pairs = scored_pairs(ROWS, SPLITS, SCORES)
    assert [(p.better.completion, p.worse.completion, p.margin, p.gap) for p in pairs] == [
        (11, 12, 1.0, 2),
        (11, 13, -1.0, 2),
        (21, 22, 1.0, 4),
        (31, 32, -3.0, 0),
    ]
    found = diagnosis(pairs, NAMES)
    accuracy = found["accuracy"]
    assert accuracy["split"]["validation"]["value"] == pytest.approx(2 / 3)
    assert accuracy["split"]["train"]["value"] == 0
    assert {name: one["value"] for name, one in accuracy["labeler"].items()} == {
        "seven": 0.5,
        "eight": 1.0,
    }
    assert {name: one["n"] for name, one in accuracy["gap"].items()} == {"2": 2, "4 or more": 1}
    assert {name: (one["value"], one["n"]) for name, one in accuracy["ending"].items()} == {
        "finished": (1.0, 1),
        "mixed": (0.0, 1),
        "cut": (1.0, 1),
    }
    assert list(accuracy["use_case"]) == ["chat"] and list(accuracy["group"]) == ["training"]


def test_calibration_by_hand() -> None:
    [only] = diagnosis(scored_pairs(ROWS, SPLITS, SCORES), NAMES)["calibration"]
    assert only["predicted"] == pytest.approx(1 / (1 + math.exp(-1)))
    assert (only["value"], only["n"]) == (pytest.approx(2 / 3), 3)


def test_the_worst_disagreement_of_each_prompt_comes_first() -> None:
    found = diagnosis(scored_pairs(ROWS, SPLITS, SCORES), NAMES)["disagreements"]
    assert [(row["prompt"], row["margin"], row["labeler"]) for row in found] == [
        (3, -3.0, "eight"),
        (1, -1.0, "seven"),
    ]
    assert (found[0]["better"], found[0]["worse"]) == (31, 32)


def test_gaps_have_names() -> None:
    titles = ["0 or less", "0 or less", "3", "4 or more", "4 or more"]
    assert [gap_title(gap) for gap in (-2, 0, 3, 4, 6)] == titles


def test_heaps_share_their_bins() -> None:
    figure = score_distributions({"Demonstrations": [0.0, 0.1, 0.2, 5.0], "tuned": [5.0]})
    first, second = figure.series
    assert sum(point.value for point in first.points) == pytest.approx(1)
    assert [p.x for p in first.points] == [p.x for p in second.points]
    assert (first.title, max(second.points, key=lambda p: p.value).n) == ("Demonstrations (4)", 1)


@pytest.mark.django_db
def test_a_worker_diagnoses_and_doubtful_prompts_are_asked_again(
    labels: Labels,
    reward: ModelVersion,
    rosa: User,
    client_of: Call,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from trainer import tasks

    monkeypatch.setattr(tasks.measure, "delay", lambda pk: jobs.perform(pk))
    for _ in range(3):
        labels.ranking("validation")
        labels.ranking()
        labels.demonstration()
    client = client_of(rosa)
    url = f"/api/v1/versions/{reward.pk}/diagnosis/"
    assert client.get(url).status_code == 404
    assert client.post(url).status_code == 202
    found = client.get(url).json()
    assert (found["state"], found["done"], found["total"]) == ("finished", 27, 27)
    figures = found["figures"]
    assert figures["rankings"] == 6
    assert figures["accuracy"]["split"]["validation"]["n"] == 15
    assert {name: one["n"] for name, one in figures["accuracy"]["ending"].items()} == {
        "cut": 3,
        "finished": 3,
        "mixed": 9,
    }
    assert (
        "Both cut at the limit"
        in client.get(f"{url}figures/accuracy-by-ending.svg").content.decode()
    )
    assert len(figures["scores"]["Demonstrations"]) == 3
    # Each answer is read as it ended.
    answers = Completion.objects.select_related("task__prompt")
    said = [Said(one.task.asked.messages, one.text, one.finished) for one in answers]
    assert 0 < sum(one.finished for one in said) < len(said)
    assert sorted(figures["scores"]["tiny"]) == pytest.approx(
        sorted(reward_scoring.scores(reward, said)), abs=1e-3
    )
    false = [replace(one, finished=True) for one in said]
    assert sorted(figures["scores"]["tiny"]) != pytest.approx(
        sorted(reward_scoring.scores(reward, false)), abs=1e-2
    )
    page = client.get(f"/admin/trainer/evaluation/versions/{reward.pk}/diagnosis/")
    assert "Distribution of scores" in page.content.decode()
    drawn = client.get(f"{url}figures/calibration.svg")
    assert drawn.status_code == 200 and b"Predicted chance" in drawn.content

    prompts = [row["prompt"] for row in figures["disagreements"]] or [Prompt.objects.first().pk]  # type: ignore[union-attr]
    answer = client.post(
        "/api/v1/prompts/ask-again/", {"prompts": prompts}, content_type="application/json"
    ).json()
    assert answer["count"] == len(prompts)
    assert LabelingTask.objects.filter(priority=10).count() == len(prompts)
    undone = client.post(f"/api/v1/changes/{answer['change']}/undo/")
    assert undone.json()["count"] == len(prompts)
    assert not LabelingTask.objects.filter(priority=10).exclude(state="expired").exists()
    assert BulkChange.objects.get().undone_at


@pytest.mark.django_db
def test_what_is_no_reward_model_is_not_diagnosed(
    base: ModelVersion, rosa: User, client_of: Call
) -> None:
    answer = client_of(rosa).post(f"/api/v1/versions/{base.pk}/diagnosis/")
    assert answer.status_code == 400 and "no reward model" in answer.json()["detail"]
    assert not Measurement.objects.exists()
