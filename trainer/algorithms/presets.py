"""Named settings for all three algorithms: the files in trainer/presets, checked as they load."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from trainer.algorithms.config import ConfigError
from trainer.algorithms.settings import PPOConfig, RewardConfig, SFTConfig
from trainer.algorithms.stages import scoring

FOLDER = Path(__file__).parent.parent / "presets"
LIMIT = "max_response_tokens"


@dataclass(frozen=True)
class Preset:
    """Settings that go together, with a title and one sentence for the form."""

    name: str
    title: str
    description: str
    sft: SFTConfig
    reward: RewardConfig
    ppo: PPOConfig


def preset_names() -> list[str]:
    """Every preset there is, by name."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def with_one_limit(values: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe's values with the `max_response_tokens` that stands at their top in every stage that
    scores and does not say its own."""
    spread = {name: value for name, value in values.items() if name != LIMIT}
    if LIMIT in values:
        for stage in scoring():
            own = spread.get(stage) or {}
            # What is no mapping is left for the settings' own check, which has a sentence for it.
            if isinstance(own, Mapping):
                # A stage's own limit wins; whether it may differ is checked against the queue where
                # the round starts.
                spread[stage] = {LIMIT: values[LIMIT], **own}
    return spread


# Read once a process: presets come with the code and change with it.
@cache
def load_preset(name: str) -> Preset:
    """A preset by name. Raises ConfigError."""
    if name not in preset_names():
        raise ConfigError({"preset": f"must be one of {', '.join(preset_names())}"})
    values = with_one_limit(yaml.safe_load((FOLDER / f"{name}.yaml").read_text()))
    return Preset(
        name=name,
        title=values["title"],
        description=values["description"],
        sft=SFTConfig.from_dict(values["sft"]),
        reward=RewardConfig.from_dict(values["reward"]),
        ppo=PPOConfig.from_dict(values["ppo"]),
    )
