"""Starting a round: what is refused, with which words, and what is stored."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from accounts.models import User
from core.problems import Problem
from models_service.models import ModelVersion
from models_service.services import register_prompted
from tests.trainer.conftest import Labels
from trainer import tasks
from trainer.models import Evaluation, TrainingRound, TrainingRun
from trainer.rounds.control import retry
from trainer.rounds.preview import Wish, plan
from trainer.rounds.reads import starts, summary
from trainer.rounds.start import start_round
from trainer.rounds.start_form import start_form

pytestmark = pytest.mark.django_db


def test_too_few_labels_are_refused_with_the_numbers(labels: Labels) -> None:
    for _ in range(3):
        labels.ranking()
    with pytest.raises(Problem) as caught:
        start_round(preset="tiny")
    assert "rankings: 3 there, 8 needed" in str(caught.value.detail)
    assert caught.value.errors is not None
    assert caught.value.errors["demonstrations"] == ["0 there, 8 needed"]
    assert caught.value.extra["labels"]["rankings"] == 3
    assert not TrainingRound.objects.exists()


def test_an_unknown_setting_is_refused_by_its_name(labels: Labels) -> None:
    labels.enough()
    with pytest.raises(Problem) as caught:
        start_round(preset="tiny", recipe={"ppo": {"epochs": 3}})
    assert caught.value.status_code == 400
    assert caught.value.errors == {"ppo.epochs": "is not a setting (did you mean inner_epochs?)"}


def test_it_stores_the_whole_recipe_and_starts_from_the_base(
    labels: Labels, base: ModelVersion, rosa: User
) -> None:
    labels.enough()
    round = start_round(preset="tiny", recipe={"sft": {"epochs": 3}}, by=rosa)
    assert round.recipe["sft"]["epochs"] == 3
    assert round.recipe["ppo"]["clip"] == 0.2
    assert round.start == base
    assert round.started_by == rosa


def test_round_4_follows_round_3_whatever_the_database_has_skipped(labels: Labels) -> None:
    labels.enough()
    first = start_round(preset="tiny")
    with connection.cursor() as cursor:  # as PostgreSQL does when it comes back from a crash
        cursor.execute(
            "SELECT setval(pg_get_serial_sequence('trainer_traininground', 'id'), %s)",
            [first.pk + 32],
        )
    second = start_round(preset="tiny")
    assert (second.pk, str(second)) == (first.pk + 1, f"Round {first.pk + 1}")


def test_the_command_tells_a_program_of_its_round(
    labels: Labels, base: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks.advance_rounds, "delay", lambda: None)
    labels.enough()
    said = StringIO()
    call_command("start_round", preset="tiny", name="First", json=True, stdout=said)
    told = json.loads(said.getvalue())
    round = TrainingRound.objects.get()
    assert (told["id"], told["title"], told["state"]) == (round.pk, "First", "queued")
    assert (told["start"], told["policy"], told["recipe"]) == (base.name, None, round.recipe)
    assert told["created_at"] == round.created_at.isoformat() and told["ended_at"] is None
    TrainingRun.objects.create(round=round, stage="sft", seed=1, output=base, result={"loss": 1.5})
    Evaluation.objects.create(
        round=round, version=base, judge="reward", split="validation", figures={}
    )
    told = summary(round)
    assert [(run["stage"], run["output"], run["result"]) for run in told["runs"]] == [
        ("sft", base.name, {"loss": 1.5})
    ]
    assert told["evaluations"][0]["version"] == base.name
    assert json.loads(json.dumps(told)) == told


def test_a_later_round_starts_from_the_base_of_the_promoted_policy(
    labels: Labels, base: ModelVersion
) -> None:
    from models_service.services import promote

    labels.enough()
    policy = ModelVersion.objects.create(name="p", kind="policy", checkpoint="p", parent=base)
    promote(role="policy", version=policy)
    assert start_round(preset="tiny").start == base
    policy.folder.mkdir(parents=True)
    assert start_round(preset="tiny", start=policy).start == policy


def test_a_version_whose_folder_is_gone_is_refused(labels: Labels, base: ModelVersion) -> None:
    labels.enough()
    lost = ModelVersion.objects.create(name="lost", kind="reward", checkpoint="gone", parent=base)
    for field, given in (("start", {"start": lost}), ("reward_model", {"reward": lost})):
        with pytest.raises(Problem) as caught:
            start_round(preset="tiny", **given)
        assert caught.value.errors is not None
        assert "folder of lost is gone" in caught.value.errors[field][0]


def test_what_has_no_weights_of_its_own_is_no_start(labels: Labels, base: ModelVersion) -> None:
    labels.enough()
    prompted = register_prompted(name="prompted", version=base, prefix="Briefly.")
    judge = ModelVersion.objects.create(name="judge", kind="reward", checkpoint="judge")
    best = ModelVersion.objects.create(
        name="best", kind="policy", checkpoint=base.checkpoint, parent=base, judge=judge, best_of=4
    )
    for version in (best, prompted):
        with pytest.raises(Problem) as caught:
            start_round(preset="tiny", start=version)
        assert caught.value.errors is not None
        assert f"start from {base}" in caught.value.errors["start"][0]
    assert start_form({}).starts == [base]


def test_a_reward_model_may_be_given_instead_of_trained(labels: Labels, base: ModelVersion) -> None:
    labels.enough()
    judge = ModelVersion.objects.create(name="judge", kind="reward", checkpoint="judge")
    judge.folder.mkdir(parents=True, exist_ok=True)
    stages = {"stages": ["ppo", "evaluation"]}
    with pytest.raises(Problem) as caught:
        start_round(preset="tiny", recipe=stages)
    assert caught.value.errors is not None
    assert "needs reward" in caught.value.errors["stages"]
    round = start_round(preset="tiny", recipe=stages, reward=judge)
    assert starts(round, "ppo") == {"policy": base.pk, "reward": judge.pk}
    assert starts(round, "evaluation") == {
        "policy": base.pk,
        "baseline": base.pk,
        "reward": judge.pk,
    }


def test_minibatches_larger_than_the_batch_are_refused(labels: Labels) -> None:
    with pytest.raises(Problem) as caught:
        start_round(preset="tiny", recipe={"ppo": {"batch_size": 4, "minibatch_size": 8}})
    assert caught.value.errors == {"ppo.minibatch_size": "must be at most batch_size, which is 4"}


def refusal(**wish: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        start_round(**wish)
    assert caught.value.errors is not None
    return caught.value


def test_a_round_scores_answers_of_the_length_that_labelers_see(
    labels: Labels, settings: Any
) -> None:
    labels.enough()
    settings.LABELING = settings.LABELING | {"max_new_tokens": 48}
    problem = refusal(preset="tiny")
    assert list(problem.errors or {}) == [
        f"{stage}.max_response_tokens" for stage in ("reward", "ppo", "evaluation")
    ]
    assert problem.errors["ppo.max_response_tokens"] == [
        "is 64, the queue samples 48 at most: set it to 48"
    ]
    assert "Set max_response_tokens to 48 in the recipe" in str(problem.detail)
    assert "let the ranking queue sample 64" in str(problem.detail)
    told = plan(Wish("tiny", {}))
    assert (told["problem"], told["errors"]) == (problem.detail, problem.errors)
    round = start_round(preset="tiny", recipe={"max_response_tokens": 48})
    assert round.recipe["ppo"]["max_response_tokens"] == 48
    assert round.recipe["sft"]["max_response_tokens"] == 64
    [shown] = [
        setting
        for stage in start_form({}).stages
        if stage.name == "ppo"
        for setting in stage.settings
        if setting.name == "max_response_tokens"
    ]
    assert "The queue samples 48 at most" in shown.help


def test_stages_that_differ_are_named_alone(labels: Labels) -> None:
    labels.enough()
    problem = refusal(preset="tiny", recipe={"ppo": {"max_response_tokens": 32}})
    assert list(problem.errors or {}) == ["ppo.max_response_tokens"]
    assert "scores 32 and 64" in str(problem.detail)
    assert "MAX_NEW_TOKENS" not in str(problem.detail)
    # Demonstrations are as long as people write them, and a stage that is left out scores nothing.
    recipe = {
        "stages": ["sft", "reward"],
        "sft": {"max_response_tokens": 300},
        "ppo": {"max_response_tokens": 32},
    }
    assert start_round(preset="tiny", recipe=recipe).state == "queued"


def test_the_paper_s_preset_says_how_the_queue_has_to_be_started(labels: Labels) -> None:
    assert "let the ranking queue sample 1024" in str(refusal(preset="paper").detail)


def test_a_reward_model_that_learned_at_another_length_is_refused(
    labels: Labels, base: ModelVersion, reward: ModelVersion
) -> None:
    labels.enough()
    before = start_round(preset="tiny")
    run = TrainingRun.objects.create(
        round=before,
        stage="reward",
        seed=1,
        output=reward,
        config={"settings": {"max_response_tokens": 65}},
    )
    stages = {"stages": ["ppo", "evaluation"]}
    problem = refusal(preset="tiny", recipe=stages, reward=reward)
    assert "learned from answers of 65 tokens" in problem.errors["reward_model"][0]  # type: ignore[index]
    TrainingRun.objects.filter(pk=run.pk).update(config={"settings": {"max_response_tokens": 64}})
    assert start_round(preset="tiny", recipe=stages, reward=reward).state == "queued"


def test_a_retry_does_not_change_one_stage_s_limit_alone(labels: Labels) -> None:
    labels.enough()
    round = start_round(preset="tiny")
    TrainingRound.objects.filter(pk=round.pk).update(state="failed")
    with pytest.raises(Problem, match="scores 32 and 64"):
        retry(round=round, recipe={"ppo": {"max_response_tokens": 32}})


@pytest.fixture
def short(base: ModelVersion, settings: Any) -> ModelVersion:
    """A model that reads 512 tokens, as GPT-2 says it."""
    folder = Path(settings.CHECKPOINT_DIR) / "short"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "gpt2", "n_positions": 512}))
    return ModelVersion.objects.create(name="gpt2", kind="base", checkpoint="short")


def test_prompts_and_responses_over_the_model_s_context_are_refused(
    labels: Labels, short: ModelVersion
) -> None:
    labels.enough()
    problem = refusal(preset="tiny", start=short)
    sentence = "gpt2 reads 512 tokens in all; 512 + 64 do not fit: lower max_prompt_tokens to 448"
    assert problem.errors == {
        f"{stage}.max_prompt_tokens": [sentence] for stage in ("sft", "reward", "ppo", "evaluation")
    }
    assert sentence in str(problem.detail)
    told = plan(Wish("tiny", {}, short))
    assert (told["context"], told["errors"]) == (512, problem.errors)
    stages = ("sft", "reward", "ppo", "evaluation")
    fits: dict[str, Any] = {stage: {"max_prompt_tokens": 448} for stage in stages}
    assert start_round(preset="tiny", recipe=fits, start=short).state == "queued"
    long = fits | {"sft": {"max_prompt_tokens": 448, "max_response_tokens": 512}}
    errors = refusal(preset="tiny", recipe=long, start=short).errors
    assert list(errors or {}) == ["sft.max_response_tokens"]
    text = fits | {"ppo": {"max_prompt_tokens": 448, "ptx_tokens": 600}}
    errors = refusal(preset="tiny", recipe=text, start=short).errors
    assert list(errors or {}) == ["ppo.ptx_tokens"]


def test_a_given_reward_model_has_to_read_as_much(
    labels: Labels, base: ModelVersion, short: ModelVersion
) -> None:
    labels.enough()
    ModelVersion.objects.filter(pk=short.pk).update(kind="reward")
    recipe = {"stages": ["sft", "ppo"]}
    errors = refusal(preset="tiny", recipe=recipe, start=base, reward=short).errors
    assert list(errors or {}) == ["ppo.max_prompt_tokens"]
