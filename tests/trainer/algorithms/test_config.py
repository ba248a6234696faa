"""Settings check themselves, presets load, and the paper's values are the paper's."""

from __future__ import annotations

from dataclasses import fields

import pytest

from trainer.algorithms.config import Config, ConfigError
from trainer.algorithms.presets import load_preset, preset_names
from trainer.algorithms.settings import PPOConfig, RewardConfig, SFTConfig

# What the paper did apart from its main runs.
OPTIONAL = {"pretraining_share", "folds"}
CONFIGS = [SFTConfig, RewardConfig, PPOConfig]


def test_unknown_and_wrong_settings_are_all_named() -> None:
    with pytest.raises(ConfigError) as unknown:
        SFTConfig.from_dict({"epoch": 1, "batch": 2})
    assert unknown.value.errors.keys() == {"epoch", "batch"}
    with pytest.raises(ConfigError) as wrong:
        SFTConfig.from_dict(
            {"epochs": 0, "batch_size": "8", "learning_rate": float("nan"), "seed": True}
        )
    assert wrong.value.errors.keys() == {"epochs", "batch_size", "learning_rate", "seed"}
    assert "must be at least 1" in str(wrong.value)


def test_a_whole_number_is_a_number() -> None:
    config = PPOConfig.from_dict({"kl_coefficient": 1})
    assert isinstance(config.kl_coefficient, float)
    assert PPOConfig.from_dict(config.to_dict()) == config


def test_operational_settings_do_not_name_a_run() -> None:
    assert SFTConfig(keep_states=9).identity() == SFTConfig().identity()
    assert SFTConfig(epochs=9).identity() != SFTConfig().identity()


@pytest.mark.parametrize("config", CONFIGS)
def test_every_setting_explains_itself_and_defaults_to_the_paper(config: type[Config]) -> None:
    for setting in fields(config):
        assert setting.metadata["help"]
        paper = setting.metadata["paper"]
        if paper is not None and setting.name not in OPTIONAL:
            assert setting.default == paper, setting.name


def test_presets_load() -> None:
    assert preset_names() == ["demo", "paper", "tiny"]
    paper = load_preset("paper")
    assert (paper.sft.epochs, paper.reward.batch_size) == (16, 64)
    assert paper.ppo.iterations * paper.ppo.batch_size == 256_000
    assert load_preset("demo").ppo.kl_limit > 0


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(ConfigError, match="demo, paper, tiny"):
        load_preset("huge")
