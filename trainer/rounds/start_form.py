"""The form that starts a round, made from what the settings say about themselves.

It is filled with a preset, with a saved recipe, or with a round: all of it, or from one of its
stages on with what the stages before made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, fields
from typing import Any

from labeling.label_filters import FILTERS, LabelFilter
from labeling.queues.sampling_settings import training_limit
from models_service.models import Kind, ModelVersion
from trainer.algorithms.config import Config
from trainer.algorithms.presets import LIMIT, preset_names
from trainer.algorithms.stages import STAGES
from trainer.data.snapshots import count_labels
from trainer.models import DatasetSnapshot, SavedRecipe, TrainingRound, TrainingRun
from trainer.rounds.recipes import PROMOTE, Recipe, preset, preset_recipe

LABEL_TITLES = {
    "demonstrations": "Demonstrations",
    "rankings": "Rankings",
    "prompts": "Prompts to sample from",
    "validation_prompts": "Validation prompts",
}
_FIRST = ("tiny", "demo", "paper")


@dataclass(frozen=True)
class Setting:
    """One input: its address in the recipe, what it means, its value, the preset's, the paper's."""

    address: str
    name: str
    help: str
    value: Any
    usual: Any
    paper: Any
    kind: str
    choices: Sequence[str]

    @property
    def shown(self) -> str:
        """The value as it is written into the input."""
        return number(self.value) if isinstance(self.value, float) else str(self.value)

    @property
    def shown_usual(self) -> str:
        """The preset's value, as an input would hold it."""
        return number(self.usual)

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
class Source:
    """What the form is filled with."""

    preset: str
    recipe: Mapping[str, Any]
    title: str = ""
    start: int | None = None
    reward: int | None = None
    snapshot: DatasetSnapshot | None = None
    labels_of: str = ""


@dataclass(frozen=True)
class StartForm:
    """Everything the page shows."""

    source: Source
    presets: list[tuple[str, str, str]]
    stages: list[StageForm]
    promote: str
    rules: Mapping[str, str]
    seed: int
    starts: list[ModelVersion]
    rewards: list[ModelVersion]
    recipes: list[SavedRecipe]
    labels: list[tuple[str, int, int]]
    filters: list[FilterField]

    @property
    def preset(self) -> str:
        """The preset that changes are told from."""
        return self.source.preset

    @property
    def chooses(self) -> bool:
        """Whether any filter has a value."""
        return any(one.value for one in self.filters)

    @property
    def enough(self) -> bool:
        """Whether there are labels enough for the recipe as it stands."""
        return all(there >= needed for _, there, needed in self.labels)


@dataclass(frozen=True)
class FilterField:
    """A filter of labels with its value; `options` are value, words, and whether it is ticked."""

    filter: LabelFilter
    value: Any
    options: list[tuple[Any, str, bool]]

    @property
    def whole(self) -> bool:
        """Whether its options are numbers."""
        return any(isinstance(value, int) for value, *_ in self.options)


def start_form(query: Mapping[str, str]) -> StartForm:
    """The form filled as the page's address asks: `preset`, `recipe`, or `round` and `stage`."""
    source = _source(query)
    recipe = preset_recipe(source.preset, source.recipe, given=["reward"])
    usual = preset_recipe(source.preset)
    names = _preset_names()
    described = {each: preset(each) for each in names}
    with_weights = ModelVersion.objects.local().filter(weights_removed_at=None)
    return StartForm(
        source=source,
        presets=[(name, words["title"], words["description"]) for name, words in described.items()],
        stages=[_stage(stage, recipe, usual) for stage in STAGES],
        promote=recipe.promote,
        rules=PROMOTE,
        seed=recipe.seed,
        starts=list(with_weights.filter(best_of=1, prefix="").exclude(kind=Kind.REWARD)),
        rewards=list(with_weights.filter(kind=Kind.REWARD)),
        recipes=list(SavedRecipe.objects.all()),
        labels=_labels(recipe),
        filters=_filters(recipe.labels),
    )


def number(value: Any) -> str:
    """A setting as people write it: 9e-06 as 9e-6, 0.02 as it is."""
    if isinstance(value, bool) or not isinstance(value, float):
        return str(value).lower() if isinstance(value, bool) else str(value)
    text = f"{value:.6g}"
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if e else text


def _preset_names() -> list[str]:
    return sorted(preset_names(), key=lambda n: _FIRST.index(n) if n in _FIRST else len(_FIRST))


def _source(query: Mapping[str, str]) -> Source:
    saved = SavedRecipe.objects.filter(pk=_id(query, "recipe")).first()
    if saved:
        return Source(saved.preset, saved.recipe, title=f"Filled with the recipe {saved}.")
    round = TrainingRound.objects.filter(pk=_id(query, "round")).first()
    if round:
        return _of_round(round, query.get("stage", ""))
    names, name = _preset_names(), query.get("preset", "")
    return Source(name if name in names else ("demo" if "demo" in names else names[0]), {})


def _id(query: Mapping[str, str], name: str) -> int:
    """The id that the address names; 0, which no row has, where it names none."""
    text = query.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 18 else 0


def _of_round(round: TrainingRound, stage: str) -> Source:
    """A round to do again, or from a stage on: with the labels and versions it had by then."""
    stages = round.recipe["stages"]
    if stage not in stages:
        return Source(
            round.preset,
            round.recipe,
            f"Filled with the recipe of {round}.",
            round.start_id,
            round.reward_id,
        )
    runs = round.runs.filter(state=TrainingRun.State.FINISHED, output__isnull=False)
    made = dict(runs.values_list("stage", "output"))
    before = stages[: stages.index(stage)]
    return Source(
        round.preset,
        {**round.recipe, "stages": stages[stages.index(stage) :]},
        f"Goes on from {round}: {STAGES[stage].title} again, with what the stages "
        "before it made and the same labels.",
        start=made.get("sft", round.start_id) if "sft" in before else round.start_id,
        reward=made.get("reward", round.reward_id) if "reward" in before else round.reward_id,
        snapshot=round.snapshot,
        labels_of=str(round),
    )


def _stage(stage: str, recipe: Recipe, usual: Recipe) -> StageForm:
    config, of_preset = recipe.configs[stage], usual.configs[stage]
    shown = [
        _setting(stage, field, config, of_preset)
        for field in fields(config)
        if field.name != "seed"
    ]
    title = STAGES[stage].title
    return StageForm(stage, title, stage in recipe.stages, shown)


def _setting(stage: str, field: Field, config: Config, usual: Config) -> Setting:
    value, explained = getattr(config, field.name), field.metadata.get("help", "")
    if field.name == LIMIT and STAGES[stage].scores:
        explained += f". The queue samples {training_limit()} at most: the same"
    return Setting(
        address=f"{stage}.{field.name}",
        name=field.name,
        help=explained,
        value=value,
        usual=getattr(usual, field.name),
        paper=field.metadata.get("paper"),
        kind=type(value).__name__,
        choices=field.metadata.get("choices") or (),
    )


def _labels(recipe: Recipe) -> list[tuple[str, int, int]]:
    there = count_labels(recipe.labels)
    return [
        (LABEL_TITLES[what], there[what], needed) for what, needed in recipe.labels_needed().items()
    ]


def _filters(chosen: Mapping[str, Any]) -> list[FilterField]:
    fields = []
    for one in FILTERS.values():
        value = chosen.get(one.name) or []
        shown = one.options() if one.options else ()
        options = [(option, str(words), option in value) for option, words in shown]
        fields.append(FilterField(one, value or "", options))
    return fields
