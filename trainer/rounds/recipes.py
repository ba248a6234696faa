"""The recipe of a round: its stages, every setting of each, and when the outcome is promoted.

Pure: what a form shows, what YAML files hold and what the service checks is all declared here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import yaml

from labeling import label_filters
from trainer.algorithms.config import Config, ConfigError, not_known
from trainer.algorithms.presets import FOLDER, LIMIT, preset_names, with_one_limit
from trainer.algorithms.settings import PPOConfig
from trainer.algorithms.stages import STAGES, scoring

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
    labels: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, given: Collection[str] = ()) -> Self:
        """A recipe from plain values; defaults for what is left out, unknown keys are refused.

        `max_response_tokens` at the top is every stage's that scores and does not say its own.
        `given` names stages whose outcome is there already, from another round.
        """
        values = with_one_limit(values)
        labels, wrong_labels = _labels(values.get("labels") or {})
        configs, wrong_settings = _configs(values)
        errors = _unknown_keys(values) | _check_frame(values, given) | wrong_labels | wrong_settings
        if errors:
            raise ConfigError(errors)
        seed = values.get("seed", 1)
        configs = {stage: replace(config, seed=seed) for stage, config in configs.items()}  # type: ignore[call-arg]
        chosen = values.get("stages", usual_stages())
        stages = tuple(stage for stage in STAGES if stage in chosen)
        return cls(stages, configs, values.get("promote", "if_better"), seed, labels)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, complete: what is stored with the round and written as YAML."""
        settings = {stage: config.to_dict() for stage, config in self.configs.items()}
        for stage in settings.values():
            del stage["seed"]  # one seed for all stages, below
        frame = {"stages": list(self.stages), "seed": self.seed, "promote": self.promote}
        return {**frame, "labels": dict(self.labels), **settings}

    def labels_needed(self) -> dict[str, int]:
        """Fewest labels that fill one batch of each stage, and prompts to sample from."""
        needed = {}
        for what, address in self.batch_settings().items():
            stage, size = address.split(".")
            needed[what] = int(getattr(self.configs[stage], size))
        asking = any(STAGES[stage].only_asks for stage in self.stages)
        return needed | ({"validation_prompts": 2} if asking else {})

    def limits(self) -> dict[str, int]:
        """The token limit of each of its stages that score answers, by its address."""
        return {
            f"{stage}.{LIMIT}": int(getattr(self.configs[stage], LIMIT))
            for stage in scoring()
            if stage in self.stages
        }

    def batch_settings(self) -> dict[str, str]:
        """What fills the batches of each stage, and the setting that says how large they are: of
        several stages' that are filled by the same, the largest."""
        batches = [
            (int(getattr(self.configs[stage], size)), what, f"{stage}.{size}")
            for stage in self.stages
            for what, size in STAGES[stage].batches.items()
        ]
        return {what: address for _, what, address in sorted(batches, key=lambda one: one[0])}


def usual_stages() -> tuple[str, ...]:
    """What a round does unless its recipe says otherwise."""
    return tuple(stage.name for stage in STAGES.values() if stage.usual)


def preset(name: str) -> dict[str, Any]:
    """The values of a preset's file, title and description among them. Raises ConfigError."""
    if name not in preset_names():
        raise ConfigError({"preset": f"must be one of {', '.join(preset_names())}"})
    return dict(yaml.safe_load((FOLDER / f"{name}.yaml").read_text()))


def preset_recipe(
    name: str, changes: Mapping[str, Any] | None = None, *, given: Collection[str] = ()
) -> Recipe:
    """A preset with some values changed; `changes` has the shape of a recipe."""
    values = {key: value for key, value in preset(name).items() if key not in _FOR_PEOPLE}
    return changed(values, {} if changes is None else changes, given=given)


def changed(
    values: Mapping[str, Any], changes: Mapping[str, Any], *, given: Collection[str] = ()
) -> Recipe:
    """A recipe's values with some of them changed. Raises ConfigError."""
    if not isinstance(changes, Mapping):
        raise ConfigError({"recipe": "must hold the parts of a recipe by name"})
    merged = with_one_limit(values)
    for key, value in with_one_limit(changes).items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = {**merged[key], **value} if both else value
    return Recipe.from_dict(merged, given=given)


def from_yaml(text: str) -> tuple[str | None, dict[str, Any]]:
    """What a recipe's file says: its preset, if it names one, and the values it changes.

    Raises ConfigError; what the values mean is checked by Recipe.
    """
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        place = f" (line {where.line + 1}, column {where.column + 1})" if where else ""
        raise ConfigError({"yaml": f"is not YAML{place}"}) from error
    except RecursionError as error:
        raise ConfigError({"yaml": "is nested too deeply"}) from error
    except ValueError as error:  # such as a date that does not exist
        raise ConfigError({"yaml": f"holds a value that cannot be read: {error}"}) from error
    if not isinstance(values, dict):
        raise ConfigError({"yaml": "must hold the parts of a recipe by name, such as ppo: …"})
    kept = {str(key): value for key, value in values.items() if key not in _FOR_PEOPLE}
    name = kept.pop("preset", None)
    return (None if name is None else str(name)), kept


def to_yaml(preset: str, recipe: Mapping[str, Any]) -> str:
    """A complete recipe as a file that `start_round --recipe` and the form take."""
    return yaml.safe_dump({"preset": preset, **recipe}, sort_keys=False, allow_unicode=True)


def _labels(values: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """The filters of labels, and what is wrong with them."""
    if not isinstance(values, Mapping):
        return {}, {"labels": "must hold filters by name"}
    known = label_filters.FILTERS
    filters, faults = label_filters.clean(values)
    unknown = {
        name: not_known(name, f"one of {', '.join(known)}", known)
        for name in values
        if name not in known
    }
    return filters, {f"labels.{name}": text for name, text in (unknown | faults).items()}


def _configs(values: Mapping[str, Any]) -> tuple[dict[str, Config], dict[str, str]]:
    """Each stage's settings, and what is wrong with them."""
    configs: dict[str, Config] = {}
    errors: dict[str, str] = {}
    for stage, kind in ((stage.name, stage.config) for stage in STAGES.values()):
        settings = values.get(stage) or {}
        try:
            configs[stage] = kind.from_dict(settings if isinstance(settings, Mapping) else {})
        except ConfigError as error:
            errors |= {f"{stage}.{name}": text for name, text in error.errors.items()}
    ppo = configs.get("ppo")
    if isinstance(ppo, PPOConfig) and ppo.minibatch_size > ppo.batch_size:
        errors["ppo.minibatch_size"] = f"must be at most batch_size, which is {ppo.batch_size}"
    return configs, errors


def _unknown_keys(values: Mapping[str, Any]) -> dict[str, str]:
    known = {"stages", "promote", "seed", "labels", *STAGES}
    unknown = sorted(set(values) - known)
    errors = {name: not_known(name, "a part of a recipe", known) for name in unknown}
    wrong = [s for s in STAGES if not isinstance(values.get(s) or {}, Mapping)]
    return errors | dict.fromkeys(wrong, "must hold settings by name")


def _check_frame(values: Mapping[str, Any], given: Collection[str]) -> dict[str, str]:
    errors: dict[str, str] = {}
    stages, known = values.get("stages", usual_stages()), tuple(STAGES)
    # In a tuple, not in the mapping: what is named may be anything, also what has no hash.
    if not isinstance(stages, (list, tuple)) or not stages or any(s not in known for s in stages):
        errors["stages"] = f"must be some of {', '.join(STAGES)}"
    else:
        for stage in stages:
            there = {*stages, *given}
            if missing := [need for need in STAGES[stage].needs if need not in there]:
                errors["stages"] = f"{stage} needs {', '.join(missing)}, in this round or given"
    if values.get("promote", "never") not in tuple(PROMOTE):
        errors["promote"] = f"must be one of {', '.join(PROMOTE)}"
    seed = values.get("seed", 1)
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**63:
        errors["seed"] = "must be a whole number from 0 to 2⁶³ − 1"
    return errors
