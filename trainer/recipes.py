"""The recipe of a round: its stages, every setting of each, and when the outcome is promoted.

Pure: what a form shows, what YAML files hold and what the service checks is all declared here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import yaml

from trainer.algorithms.config import Config, ConfigError
from trainer.algorithms.presets import FOLDER, preset_names
from trainer.algorithms.settings import EvaluationConfig, PPOConfig, RewardConfig, SFTConfig

CONFIGS: Mapping[str, type[Config]] = {
    "sft": SFTConfig,
    "reward": RewardConfig,
    "ppo": PPOConfig,
    "evaluation": EvaluationConfig,
}
STAGES = tuple(CONFIGS)
# What has to come before a stage in the same round.
NEEDS = {"ppo": ("reward",), "evaluation": ("reward",)}
PROMOTE = {
    "never": "Never: a researcher decides",
    "if_better": "If better: when the win rate's whole interval lies above 50 %",
    "always": "Always",
}
# Words in a preset's file that are for the form.
_FOR_PEOPLE = {"title", "description"}


@dataclass(frozen=True)
class Recipe:
    """The whole configuration of a round. Raises ConfigError with every problem at once."""

    stages: tuple[str, ...]
    configs: Mapping[str, Config]
    promote: str = "if_better"
    seed: int = 1

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """A recipe from plain values; defaults for what is left out, unknown keys are refused."""
        errors = _unknown_keys(values) | _check_frame(values)
        configs: dict[str, Config] = {}
        for stage, kind in CONFIGS.items():
            try:
                configs[stage] = kind.from_dict(values.get(stage) or {})
            except ConfigError as error:
                errors |= {f"{stage}.{name}": text for name, text in error.errors.items()}
        if errors:
            raise ConfigError(errors)
        seed = values.get("seed", 1)
        configs = {stage: replace(config, seed=seed) for stage, config in configs.items()}  # type: ignore[call-arg]
        chosen = values.get("stages", STAGES)
        stages = tuple(stage for stage in STAGES if stage in chosen)
        return cls(stages, configs, values.get("promote", "if_better"), seed)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, complete: what is stored with the round and written as YAML."""
        settings = {stage: config.to_dict() for stage, config in self.configs.items()}
        for stage in settings.values():
            del stage["seed"]  # one seed for all stages, below
        return {"stages": list(self.stages), "seed": self.seed, "promote": self.promote, **settings}

    def labels_needed(self) -> dict[str, int]:
        """Fewest labels that fill one batch of each stage, and prompts to sample from."""
        wanted = {
            "sft": {"demonstrations": "batch_size"},
            "reward": {"rankings": "batch_size"},
            "ppo": {"prompts": "minibatch_size"},
        }
        needed = {
            what: int(getattr(self.configs[stage], size))
            for stage, sizes in wanted.items()
            if stage in self.stages
            for what, size in sizes.items()
        }
        return needed | ({"validation_prompts": 2} if "evaluation" in self.stages else {})


def preset(name: str) -> dict[str, Any]:
    """The values of a preset's file, title and description among them. Raises ConfigError."""
    if name not in preset_names():
        raise ConfigError({"preset": f"must be one of {', '.join(preset_names())}"})
    return dict(yaml.safe_load((FOLDER / f"{name}.yaml").read_text()))


def preset_recipe(name: str, changes: Mapping[str, Any] | None = None) -> Recipe:
    """A preset with some values changed; `changes` has the shape of a recipe."""
    values = {key: value for key, value in preset(name).items() if key not in _FOR_PEOPLE}
    changes = {} if changes is None else changes
    if not isinstance(changes, Mapping):
        raise ConfigError({"recipe": "must hold the parts of a recipe by name"})
    for key, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(values.get(key), Mapping)
        values[key] = {**values[key], **value} if both else value
    return Recipe.from_dict(values)


def _unknown_keys(values: Mapping[str, Any]) -> dict[str, str]:
    known = {"stages", "promote", "seed", *STAGES}
    errors = dict.fromkeys(sorted(set(values) - known), "is not a part of a recipe")
    wrong = [s for s in STAGES if not isinstance(values.get(s) or {}, Mapping)]
    return errors | dict.fromkeys(wrong, "must hold settings by name")


def _check_frame(values: Mapping[str, Any]) -> dict[str, str]:
    errors: dict[str, str] = {}
    stages = values.get("stages", STAGES)
    if not isinstance(stages, (list, tuple)) or not stages or any(s not in STAGES for s in stages):
        errors["stages"] = f"must be some of {', '.join(STAGES)}"
    else:
        for stage in stages:
            if missing := [need for need in NEEDS.get(stage, ()) if need not in stages]:
                errors["stages"] = f"{stage} needs {', '.join(missing)}"
    if values.get("promote", "never") not in tuple(PROMOTE):
        errors["promote"] = f"must be one of {', '.join(PROMOTE)}"
    seed = values.get("seed", 1)
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**63:
        errors["seed"] = "must be a whole number from 0 to 2⁶³ − 1"
    return errors
