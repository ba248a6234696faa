"""Recipes: presets are valid, changes are joined, and every mistake is named at once."""

from __future__ import annotations

import pytest
from django.conf import settings

from trainer.algorithms.config import ConfigError
from trainer.algorithms.presets import preset_names
from trainer.rounds.recipes import Recipe, changed, from_yaml, preset, preset_recipe


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_a_recipe_that_comes_back_unchanged(name: str) -> None:
    recipe = preset_recipe(name)
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    assert recipe.stages == ("sft", "reward", "ppo", "evaluation")


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_says_one_limit_once(name: str) -> None:
    every = {"stages": ["sft", "reward", "best_of_n", "ppo", "evaluation"]}
    limits = preset_recipe(name, every).limits()
    assert list(limits) == [
        f"{stage}.max_response_tokens" for stage in ("reward", "best_of_n", "ppo", "evaluation")
    ]
    [limit] = set(limits.values())
    assert preset(name)["max_response_tokens"] == limit
    if name != "paper":  # which is for an installation of its own
        assert limit == settings.LABELING["max_new_tokens"]


def test_a_limit_at_the_top_is_every_scoring_stage_s_that_says_no_other() -> None:
    before = preset_recipe("tiny")
    recipe = preset_recipe("tiny", {"max_response_tokens": 32, "ppo": {"max_response_tokens": 16}})
    limits = {address.split(".")[0]: limit for address, limit in recipe.limits().items()}
    assert limits == {"reward": 32, "ppo": 16, "evaluation": 32}
    assert recipe.configs["sft"] == before.configs["sft"]
    # Also over a complete recipe, such as a round's that is retried.
    again = changed(before.to_dict(), {"max_response_tokens": 8})
    assert set(again.limits().values()) == {8}
    assert Recipe.from_dict({"max_response_tokens": 9}).limits()["ppo.max_response_tokens"] == 9
    with pytest.raises(ConfigError) as caught:
        preset_recipe("tiny", {"max_response_tokens": 0})
    assert "reward.max_response_tokens" in caught.value.errors


def test_changes_are_joined_with_the_preset() -> None:
    recipe = preset_recipe("tiny", {"sft": {"epochs": 7}, "seed": 3})
    assert recipe.to_dict()["sft"]["epochs"] == 7
    assert recipe.to_dict()["sft"]["batch_size"] == 8
    assert recipe.configs["ppo"].to_dict()["seed"] == 3


def test_every_mistake_is_named_by_its_field() -> None:
    wrong = {"sft": {"epoch": 3, "batch_size": 0}, "colour": "red", "promote": "maybe"}
    with pytest.raises(ConfigError) as caught:
        preset_recipe("tiny", wrong)
    assert {"colour", "promote", "sft.epoch"} <= set(caught.value.errors)
    with pytest.raises(ConfigError) as caught:
        preset_recipe("tiny", {"sft": {"batch_size": 0}})
    assert caught.value.errors == {"sft.batch_size": "must be at least 1"}


@pytest.mark.parametrize(
    "stages", [["ppo"], ["sft", "evaluation"], ["magic"], "sft", [], [{}], [["ppo"]]]
)
def test_stages_that_cannot_follow_each_other_are_refused(stages: object) -> None:
    with pytest.raises(ConfigError, match="stages"):
        preset_recipe("tiny", {"stages": stages})


@pytest.mark.parametrize(
    "wrong", [{"promote": []}, {"seed": 2**63}, {"seed": -1}, {"sft": {"learning_rate": 10**400}}]
)
def test_values_that_cannot_be_stored_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        preset_recipe("tiny", wrong)


def test_a_recipe_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="by name"):
        preset_recipe("tiny", [1])  # type: ignore[arg-type]


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(ConfigError, match="must be one of demo, paper, tiny"):
        preset_recipe("huge")


def test_labels_needed_follow_the_stages() -> None:
    recipe = preset_recipe("tiny", {"stages": ["sft"], "sft": {"batch_size": 5}})
    assert recipe.labels_needed() == {"demonstrations": 5}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[" * 50_000, "nested too deeply"),
        ("ppo: " + "{a: " * 20_000, "nested too deeply"),
        ("sft: 2026-13-45", "cannot be read"),
    ],
)
def test_a_hostile_file_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        from_yaml(text)
    assert sentence in refused.value.errors["yaml"]
