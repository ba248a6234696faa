"""The form that starts a round, made from what the settings say about themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, fields
from typing import Any

from models_service.models import Kind, ModelVersion
from trainer.algorithms.config import Config
from trainer.algorithms.presets import preset_names
from trainer.models import TrainingRun
from trainer.recipes import CONFIGS, PROMOTE, Recipe, preset, preset_recipe
from trainer.snapshots import count_labels

LABEL_TITLES = {
    "demonstrations": "Demonstrations",
    "rankings": "Rankings",
    "prompts": "Prompts to sample from",
    "validation_prompts": "Validation prompts",
}
_FIRST = ("tiny", "demo", "paper")


@dataclass(frozen=True)
class Setting:
    """One input: its address in the recipe, what it means, its value and the paper's."""

    address: str
    name: str
    help: str
    value: Any
    paper: Any
    kind: str
    choices: Sequence[str]

    @property
    def shown(self) -> str:
        """The value as it is written into the input."""
        return number(self.value) if isinstance(self.value, float) else str(self.value)

    @property
    def shown_paper(self) -> str:
        """The paper's value, empty where it names none."""
        return "" if self.paper is None else number(self.paper)


@dataclass(frozen=True)
class StageForm:
    """One stage: whether it is part of the round, and its settings."""

    name: str
    title: str
    chosen: bool
    settings: list[Setting]


@dataclass(frozen=True)
class StartForm:
    """Everything the page shows."""

    preset: str
    presets: list[tuple[str, str, str]]
    stages: list[StageForm]
    promote: str
    rules: Mapping[str, str]
    seed: int
    starts: list[ModelVersion]
    labels: list[tuple[str, int, int]]

    @property
    def enough(self) -> bool:
        """Whether there are labels enough for the preset as it stands."""
        return all(there >= needed for _, there, needed in self.labels)


def start_form(name: str) -> StartForm:
    """The form filled with a preset; the first one where `name` is none."""
    names = sorted(preset_names(), key=lambda n: _FIRST.index(n) if n in _FIRST else len(_FIRST))
    chosen = name if name in names else ("demo" if "demo" in names else names[0])
    recipe = preset_recipe(chosen)
    described = {each: preset(each) for each in names}
    return StartForm(
        preset=chosen,
        presets=[(each, values["title"], values["description"]) for each, values in
                 described.items()],
        stages=[_stage(stage, recipe) for stage in CONFIGS],
        promote=recipe.promote,
        rules=PROMOTE,
        seed=recipe.seed,
        starts=list(ModelVersion.objects.exclude(kind=Kind.REWARD)),
        labels=_labels(recipe),
    )  # fmt: skip


def number(value: Any) -> str:
    """A setting as people write it: 9e-06 as 9e-6, 0.02 as it is."""
    if isinstance(value, bool) or not isinstance(value, float):
        return str(value).lower() if isinstance(value, bool) else str(value)
    text = f"{value:.6g}"
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if e else text


def _stage(stage: str, recipe: Recipe) -> StageForm:
    config = recipe.configs[stage]
    settings = [_setting(stage, field, config) for field in fields(config) if field.name != "seed"]
    title = TrainingRun.Stage(stage).label
    return StageForm(stage, str(title), stage in recipe.stages, settings)


def _setting(stage: str, field: Field, config: Config) -> Setting:
    value = getattr(config, field.name)
    return Setting(
        address=f"{stage}.{field.name}",
        name=field.name,
        help=field.metadata.get("help", ""),
        value=value,
        paper=field.metadata.get("paper"),
        kind=type(value).__name__,
        choices=field.metadata.get("choices") or (),
    )


def _labels(recipe: Recipe) -> list[tuple[str, int, int]]:
    there = count_labels()
    return [
        (LABEL_TITLES[what], there[what], needed) for what, needed in recipe.labels_needed().items()
    ]
