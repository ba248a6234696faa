"""What a round would be: counts and shares of its labels, estimates, and every refusal."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.test import Client

from accounts.models import User
from core.problems import Problem
from models_service.models import ModelVersion
from tests.trainer.conftest import Labels
from trainer.models import DatasetSnapshot, TrainingRound, TrainingRun
from trainer.rounds import estimates
from trainer.rounds.estimates import over_memory
from trainer.rounds.preview import Wish, plan
from trainer.rounds.recipes import preset_recipe
from trainer.rounds.start import start_round
from trainer.rounds.steps import freeze_labels
from trainer.runs import machine_memory

pytestmark = pytest.mark.django_db
ClientOf = Callable[[User], Client]


@pytest.fixture
def check(rosa: User, client_of: ClientOf) -> Callable[[dict[str, Any]], dict[str, Any]]:
    client = client_of(rosa)

    def asked(body: dict[str, Any]) -> dict[str, Any]:
        answer = client.post("/api/v1/rounds/check/", json.dumps(body), "application/json")
        assert answer.status_code == 200
        told: dict[str, Any] = answer.json()
        return told

    return asked


@pytest.mark.django_db(transaction=True)
def test_it_counts_and_shares_out_the_labels(
    labels: Labels, held_out: User, check: Callable[..., dict[str, Any]]
) -> None:
    labels.enough()
    labels.ranking(ranks=(1, 2, 3, 4))
    labels.ranking("validation", labeler=held_out)
    told = check({"preset": "tiny"})
    assert (told["labels"]["rankings"], told["labels"]["demonstrations"]) == (9, 8)
    assert told["comparisons"] == 8 * 5 + 6
    shares = {share["title"]: share["bars"] for share in told["shares"]}
    assert shares["Rankings by K"] == [{"title": "K = 4", "rankings": 9, "demonstrations": 0}]
    assert {bar["title"]: bar["rankings"] for bar in shares["By labeler group"]} == {
        "Training labelers": 13,
        "Held-out labelers, to validate": 1,
    }
    assert (told["problem"], told["errors"], told["ahead"]) == ("", {}, 0)
    assert told["yaml"].startswith("preset: tiny\nstages:\n")
    assert TrainingRound.objects.count() == 0


def test_filters_change_the_counts_and_too_few_is_said_at_the_setting(
    labels: Labels, check: Callable[..., dict[str, Any]]
) -> None:
    labels.enough()
    told = check({"preset": "tiny", "recipe": {"labels": {"since": "2100-01-01"}}})
    assert told["labels"]["rankings"] == 0
    assert "not enough labels" in told["problem"]
    told = check({"preset": "tiny", "recipe": {"reward": {"batch_size": 50}}})
    assert told["errors"]["reward.batch_size"] == ["a batch is more than the 8 there are: lower it"]


def test_what_is_wrong_is_named_and_the_labels_are_counted_all_the_same(
    labels: Labels, check: Callable[..., dict[str, Any]]
) -> None:
    labels.enough()
    told = check({"preset": "tiny", "recipe": {"ppo": {"iteration": 3}}})
    assert told["errors"] == {"ppo.iteration": "is not a setting (did you mean iterations?)"}
    assert (told["labels"]["rankings"], told["yaml"]) == (8, "")


def test_without_a_policy_it_says_so(db: None, check: Callable[..., dict[str, Any]]) -> None:
    told = check({"preset": "tiny"})
    assert "No policy is promoted yet" in told["problem"]


def test_a_micro_batch_over_the_memory_is_refused_with_one_that_fits(
    labels: Labels, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels.enough()
    monkeypatch.setattr(estimates, "training_memory", lambda: 10_000_000)
    with pytest.raises(Problem) as caught:
        start_round(preset="tiny")
    assert caught.value.errors is not None
    told = caught.value.errors["sft.tokens_per_micro_batch"][0]
    assert "the machine has 0.0" in told
    most = int(told.split("set it to ")[1].split()[0])
    recipe = {"stages": ["sft"], "sft": {"tokens_per_micro_batch": most}}
    assert start_round(preset="tiny", recipe=recipe).state == "queued"


def finished(round: TrainingRound, stage: str, **changes: Any) -> TrainingRun:
    run = TrainingRun.objects.create(
        round=round,
        stage=stage,
        state="finished",
        seed=1,
        executions=[{"memory": 2**34}],
        config={"settings": round.recipe[stage]},
        **changes,
    )
    TrainingRun.objects.filter(pk=run.pk).update(
        started_at=run.created_at, ended_at=run.created_at + timedelta(seconds=60)
    )
    run.metrics.create(step=1, values={"memory/peak": 700.0})
    run.metrics.create(step=2, values={"memory/peak": 900.0})
    return run


def test_time_and_memory_are_judged_by_a_run_of_the_same_model(labels: Labels) -> None:
    labels.enough()
    before = start_round(preset="tiny", name="Before")
    freeze_labels(round=before)
    finished(before, "ppo")
    double = {"ppo": {"iterations": 8}}
    told = {one["stage"]: one for one in plan(Wish("tiny", double))["estimates"]}
    assert (told["ppo"]["seconds"], told["ppo"]["memory"]) == pytest.approx((120, 900))
    assert told["ppo"]["source"] == "Before"
    assert (told["sft"]["seconds"], told["sft"]["source"]) == (None, "")
    finished(before, "reward")
    folds = {"reward": {"folds": 5}}
    told |= {one["stage"]: one for one in plan(Wish("tiny", folds))["estimates"]}
    assert told["reward"]["seconds"] == 300
    assert told["sft"]["needs"] > 0
    assert estimates.training_memory() == 2**34
    other = ModelVersion.objects.create(name="other", kind="base", checkpoint="other")
    assert all(one["seconds"] is None for one in plan(Wish("tiny", {}, other))["estimates"])


def test_memory_is_moved_to_what_was_measured(labels: Labels, base: ModelVersion) -> None:
    """A like run took 900 MiB, much of it not the model's: so will the next."""
    labels.enough()
    before = start_round(preset="tiny")
    finished(before, "ppo")
    rough, larger = (
        {one["stage"]: one for one in plan(Wish("tiny", recipe))["estimates"]}["ppo"]
        for recipe in ({}, {"ppo": {"max_response_tokens": 200, "tokens_per_micro_batch": 4096}})
    )
    grown = larger["needs"] - rough["needs"]
    assert grown > 0
    assert (rough["memory"], larger["memory"]) == pytest.approx((900, 900 + grown))

    recipe = preset_recipe("tiny", {})
    there = int(899 * machine_memory.MIB)
    with patch.object(estimates, "training_memory", lambda: there):
        told = over_memory(recipe, base)["ppo.tokens_per_micro_batch"][0]
        most = int(told.split("set it to ")[1].split()[0])
        fits = preset_recipe("tiny", {"ppo": {"tokens_per_micro_batch": most}})
        assert over_memory(fits, base) == {}


def test_however_many_runs_there_were_the_queries_stay_few(
    labels: Labels, base: ModelVersion, django_assert_max_num_queries: Any
) -> None:
    labels.enough()
    for number in range(8):
        base = ModelVersion.objects.create(
            name=f"v{number}", kind="sft", checkpoint=base.checkpoint, parent=base
        )
        for stage in ("sft", "reward", "ppo"):
            finished(round := start_round(preset="tiny", start=base), stage)
    recipe, counts = preset_recipe("tiny", {}), {"rankings": 8, "demonstrations": 8}
    with django_assert_max_num_queries(3):
        told = {one.stage: one.source for one in estimates.estimates(recipe, base, counts)}
    assert told["ppo"] == str(round)


def test_more_prompts_than_there_are_is_said(labels: Labels) -> None:
    labels.enough()
    [note] = plan(Wish("tiny", {"evaluation": {"prompts": 50}}))["notes"]
    assert note == "Evaluation asks 8 validation prompts, all there are, not 50."
    assert plan(Wish("tiny", {"evaluation": {"prompts": 8}}))["notes"] == []


def test_a_round_may_take_the_labels_of_another(labels: Labels) -> None:
    labels.enough()
    before = start_round(preset="tiny")
    freeze_labels(round=before)
    before.refresh_from_db()
    labels.ranking()
    again = start_round(preset="tiny", snapshot=before.snapshot)
    assert again.snapshot == before.snapshot
    assert plan(Wish("tiny", {}, snapshot=before.snapshot))["labels"]["rankings"] == 8
    DatasetSnapshot.objects.update(erased_at=before.created_at)
    before.refresh_from_db()
    with pytest.raises(Problem, match="was destroyed"):
        start_round(preset="tiny", snapshot=before.snapshot)
