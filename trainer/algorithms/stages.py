"""The stages that a round may have: the settings of each, and what has to come before it."""

from __future__ import annotations

from collections.abc import Mapping

from trainer.algorithms.config import Config
from trainer.algorithms.settings import (
    BestOfNConfig,
    EvaluationConfig,
    PPOConfig,
    RewardConfig,
    SFTConfig,
)

CONFIGS: Mapping[str, type[Config]] = {
    "sft": SFTConfig,
    "reward": RewardConfig,
    "best_of_n": BestOfNConfig,
    "ppo": PPOConfig,
    "evaluation": EvaluationConfig,
}


STAGES = tuple(CONFIGS)


# What a round does unless its recipe says otherwise.
USUAL_STAGES = tuple(stage for stage in STAGES if stage != "best_of_n")


# What has to come before a stage in the same round.
NEEDS = {"best_of_n": ("reward",), "ppo": ("reward",), "evaluation": ("reward",)}
