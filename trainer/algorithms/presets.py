"""Named settings for all three algorithms: the files in trainer/presets, checked as they load."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from trainer.algorithms.config import ConfigError
from trainer.algorithms.settings import PPOConfig, RewardConfig, SFTConfig

FOLDER = Path(__file__).parent.parent / "presets"


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


@cache
def load_preset(name: str) -> Preset:
    """A preset by name. Raises ConfigError."""
    if name not in preset_names():
        raise ConfigError({"preset": f"must be one of {', '.join(preset_names())}"})
    values = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    return Preset(
        name=name,
        title=values["title"],
        description=values["description"],
        sft=SFTConfig.from_dict(values["sft"]),
        reward=RewardConfig.from_dict(values["reward"]),
        ppo=PPOConfig.from_dict(values["ppo"]),
    )
