"""What a round would be before it is started: labels, estimates, and what stands against it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from core.problems import Problem
from labeling import label_filters
from labeling.exports.tally import Tally, count_comparisons, rankings_by_size
from labeling.intake import shapes
from labeling.models import UseCase
from models_service.check_reports import summary
from models_service.lm.context import context_of
from models_service.models import ModelVersion
from models_service.selectors import check_report
from trainer.algorithms.config import ConfigError
from trainer.algorithms.stages import STAGES
from trainer.data.snapshots import label_tally, totals, totals_of
from trainer.models import DatasetSnapshot, TrainingRound
from trainer.rounds.estimates import estimates
from trainer.rounds.reads import UNDER_WAY
from trainer.rounds.recipes import Recipe, from_yaml, preset_recipe, to_yaml
from trainer.rounds.start import checked_start, default_start
from trainer.runs.missing_workers import absence

_LABELERS_SHOWN = 12
_REFUSES = "its chat template refuses it: "


@dataclass(frozen=True)
class Wish:
    """What somebody is about to start."""

    preset: str
    recipe: Mapping[str, Any]
    start: ModelVersion | None = None
    reward: ModelVersion | None = None
    snapshot: DatasetSnapshot | None = None


def plan(wish: Wish) -> dict[str, Any]:
    """Counts and shares of the labels, what is needed, estimates, and every refusal by its field.

    `notes` says what will be otherwise than the recipe says, `absence` which workers are missing;
    `recipe` is the complete one and `yaml` its file, as far as the settings can be used at all.
    `context` is how many tokens the start reads in all, None where it has no limit.
    """
    chosen, _ = label_filters.clean(_labels_of(wish))
    counted = label_tally(chosen)
    counts = totals_of(wish.snapshot) if wish.snapshot else totals(counted)
    told: dict[str, Any] = {
        "labels": counts,
        "comparisons": count_comparisons(chosen),
        "shares": shares(counted, rankings_by_size(chosen)),
        "needed": {},
        "context": None,
        "estimates": [],
        "notes": [],
        "ahead": TrainingRound.objects.filter(state__in=UNDER_WAY).count(),
        "absence": asdict(missing) if (missing := absence()) else None,
        "recipe": None,
        "yaml": "",
    }
    return told | {"checked": checked(wish.start)} | _usable(wish, counts) | _refusals(wish)


def checked(start: ModelVersion | None) -> dict[str, Any] | None:
    """What the check says of the version a round would start from, and which prompts its chat
    template refuses; None without a version.

    `state` is passed, refused or unchecked; each of `skipped` says how many prompts and why, with
    the address of their list.
    """
    with suppress(Problem):  # without a promoted policy there is nothing to start from yet
        version = start or default_start()
        report = check_report(version)
        state = "unchecked" if not report else "passed" if report["accepted"] else "refused"
        return {
            "version": version.pk,
            "state": state,
            "says": summary(report) if not report else f"checked: {summary(report)}",
            "skipped": _skipped(report),
        }
    return None


def _skipped(report: Mapping[str, Any]) -> list[dict[str, str]]:
    """The prompts that no stage can put to the model, by the shape that its template refuses."""
    refuses = report.get("facts", {}).get("refuses", {})
    counts = shapes.count_by_shape([shape for shape in shapes.TITLES if refuses.get(shape)])
    prompts = reverse("admin:labeling_prompt_changelist")
    return [
        {
            "says": f"{count} {'prompt' if count == 1 else 'prompts'} will be skipped: "
            f"the chat template refuses them ({refuses[shape].removeprefix(_REFUSES)}).",
            "url": f"{prompts}?{urlencode({'state__exact': 'active', 'shape': shape})}",
        }
        for shape, count in counts.items()
        if count
    ]


def shares(counted: Iterable[Tally], sizes: Mapping[int, int]) -> list[dict[str, Any]]:
    """How the labels a round would train on are distributed: a group of bars each."""
    kept = [one for one in counted if one.split == "train" and one.kind != "prompt"]
    titles = dict(UseCase.choices)
    by_use_case = _bars(kept, lambda one: str(titles.get(one.use_case, one.use_case or "None")))
    everybody = [one for one in counted if one.kind != "prompt"]
    groups = label_filters.GROUPS | {"held_out": "Held-out labelers, to validate"}
    by_group = _bars(everybody, lambda one: groups.get(one.group, one.group))
    by_labeler = _bars(kept, lambda one: one.labeler)[:_LABELERS_SHOWN]
    by_size = [
        {"title": f"K = {size}", "rankings": n, "demonstrations": 0} for size, n in sizes.items()
    ]
    return [
        {"title": "By use case", "bars": by_use_case},
        {"title": "By labeler group", "bars": by_group},
        {"title": "By labeler", "bars": by_labeler},
        {"title": "Rankings by K", "bars": by_size},
    ]


def _bars(counted: Iterable[Tally], name: Callable[[Tally], str]) -> list[dict[str, Any]]:
    bars: dict[str, Counter[str]] = {}
    for one in counted:
        bars.setdefault(name(one), Counter())[one.kind] += one.count
    rows = [
        {"title": title, "rankings": n["ranking"], "demonstrations": n["demonstration"]}
        for title, n in bars.items()
    ]
    return sorted(rows, key=lambda row: -row["rankings"] - row["demonstrations"])


def _labels_of(wish: Wish) -> Any:
    return wish.recipe.get("labels") or {} if isinstance(wish.recipe, Mapping) else {}


def _usable(wish: Wish, counts: Mapping[str, int]) -> dict[str, Any]:
    """What can be said of a recipe whose settings are right."""
    given = ["reward"] if wish.reward else []
    try:
        recipe = preset_recipe(wish.preset, wish.recipe, given=given)
    except ConfigError:
        return {}
    values = recipe.to_dict()
    file = to_yaml(wish.preset, values)
    needed = recipe.labels_needed()
    told: dict[str, Any] = {"needed": needed, "recipe": values, "yaml": file}
    told["notes"] = _notes(recipe, counts)
    with suppress(Problem):  # without a promoted policy there is nothing to start from yet
        start = wish.start or default_start()
        told["context"] = context_of(start.folder)
        told["estimates"] = [asdict(one) for one in estimates(recipe, start, counts)]
    return told


def _notes(recipe: Recipe, counts: Mapping[str, int]) -> list[str]:
    """What does not stand against the recipe, and will not be as it says either."""
    there, notes = counts["validation_prompts"], []
    for stage in recipe.stages:
        wanted = getattr(recipe.configs[stage], "prompts", 0)
        if wanted > there > 0:
            title = STAGES[stage].title
            notes.append(f"{title} asks {there} validation prompts, all there are, not {wanted}.")
    return notes


def _refusals(wish: Wish) -> dict[str, Any]:
    try:
        checked_start(**vars(wish))
    except Problem as problem:
        return {"problem": str(problem.detail), "errors": problem.errors or {}}
    return {"problem": "", "errors": {}}


def changes_in(text: str) -> dict[str, Any]:
    """The values that a recipe's file changes. Raises Problem."""
    try:
        return from_yaml(text)[1]
    except ConfigError as error:
        raise Problem(400, str(error), errors=error.errors) from error


def read_recipe(text: str, preset: str) -> dict[str, Any]:
    """A recipe's file, made complete: `{"preset", "recipe"}`. Raises Problem naming every mistake.

    Without a preset of its own it changes the one given.
    """
    try:
        named, values = from_yaml(text)
        name = named or preset
        complete = preset_recipe(name, values, given=["reward"])
    except ConfigError as error:
        raise Problem(400, str(error), errors=error.errors) from error
    return {"preset": name, "recipe": complete.to_dict()}
