"""Starting a round: what is refused, with which words, and what is stored."""

from __future__ import annotations

import pytest

from accounts.models import User
from accounts.problems import Problem
from models_service.models import ModelVersion
from models_service.services import register_prompted
from tests.trainer.conftest import Labels
from trainer.forms import start_form
from trainer.models import TrainingRound
from trainer.selectors import starts
from trainer.services import start_round

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
        "policy": base.pk, "baseline": base.pk, "reward": judge.pk
    }  # fmt: skip


def test_minibatches_larger_than_the_batch_are_refused(labels: Labels) -> None:
    with pytest.raises(Problem) as caught:
        start_round(preset="tiny", recipe={"ppo": {"batch_size": 4, "minibatch_size": 8}})
    assert caught.value.errors == {"ppo.minibatch_size": "must be at most batch_size, which is 4"}
