"""A version's model card in Markdown: what it is, what it learned from, how it did, its limits.

Made from rows each time it is asked for, so that it never tells anything but what they say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from huggingface_hub import ModelCardData

from core import __version__
from models_service.models import Kind, ModelVersion
from models_service.selectors import ancestors
from trainer.algorithms.stages import STAGES
from trainer.data import lineage
from trainer.models import Evaluation, TrainingRun

FEW_LABELERS, FEW_PROMPTS = 10, 200
_FIRST = ("win_rate", "wins", "ties", "losses")
_UNTOLD = frozenset({"scores"})
"""Of an evaluation: every single score, which is data and no figure."""


def model_card(version: ModelVersion) -> str:
    """The card as a Hugging Face README: YAML front matter, then Markdown."""
    origin = lineage.of_version(version)
    evaluations = list(version.evaluations.select_related("baseline", "round"))
    sections = (
        _front_matter(version),
        f"# {version.name}\n\n{_sentence(version)}",
        _origin(origin),
        _data(origin),
        _training(version),
        _figures(version, evaluations),
        _limits(version, origin, evaluations),
    )
    return "\n\n".join(section for section in sections if section) + "\n"


def body(card: str) -> str:
    """A card without its front matter, to be shown."""
    return card.split("\n---\n", 1)[1].lstrip()


def _front_matter(version: ModelVersion) -> str:
    line = ancestors(version)
    data = ModelCardData(
        library_name="transformers",
        tags=["rlhf", version.kind],
        base_model=line[-1].name if line else None,
    )
    return f"---\n{data}\n---"


_WHAT = {
    Kind.BASE: "A base model, as it came.",
    Kind.SFT: "A language model fine-tuned on demonstrations that people wrote (SFT).",
    Kind.REWARD: "A reward model: it reads a prompt with an answer and gives one number, higher "
    "for what labelers would rank higher. `config.json` keeps its trunk's under `trunk`.",
    Kind.POLICY: "A language model trained with PPO against a reward model of human rankings.",
}


def _sentence(version: ModelVersion) -> str:
    made = f"Registered on {version.created_at:%Y-%m-%d}; told by Tutelage {__version__}."
    prefix = f" It answers under this prefix prompt: “{version.prefix}”" if version.prefix else ""
    return f"{_what(version)}{prefix} {made}"


def _what(version: ModelVersion) -> str:
    if version.best_of > 1:
        return (
            f"Nothing was trained for it: of {version.best_of} answers that {version.parent} gives "
            f"it says the one that the reward model {version.judge} scores highest. Its weights "
            f"are those of {version.parent}."
        )
    return _WHAT[Kind(version.kind)]


def _origin(origin: Mapping[str, Any]) -> str:
    rows = [origin["version"], *origin["trained_from"]]
    table = _table(
        ("version", "kind", "sha256 of the weights"),
        ((row["name"], row["kind"], f"`{row['sha256'][:16] or 'remote'}`") for row in rows),
    )
    return f"## Where it comes from\n\nEach was trained from the next.\n\n{table}"


def _data(origin: Mapping[str, Any]) -> str:
    snapshot = origin["snapshot"]
    if not snapshot:
        return ""
    counts = _table(
        ("rows", "training", "validation"),
        (
            (kind, by.get("train", 0), by.get("validation", 0))
            for kind, by in snapshot["counts"].items()
        ),
    )
    said = ", ".join(f"{row['name']} ({row['count']})" for row in origin["completions"])
    asked = ", ".join(f"{row['name']} ({row['count']})" for row in origin["prompts"])
    sets = _table(
        ("imported set", "licence", "labels"),
        ((row["name"], row["licence"] or "not stated", row["count"]) for row in origin["sets"]),
    )
    imported = f"\n\nLabels that were made elsewhere:\n\n{sets}" if origin["sets"] else ""
    return (
        f"## What it learned from\n\nSnapshot `{snapshot['filename']}`, sha256 "
        f"`{snapshot['sha256'][:16]}`, frozen on {snapshot['created_at']:%Y-%m-%d}, by "
        f"{len(origin['labelers'])} labelers.\n\n{counts}\n\nPrompts of its labels by source: "
        f"{asked or 'none'}. Completions that were ranked, by who said them: {said or 'none'}."
        f"{imported}"
    )


def _training(version: ModelVersion) -> str:
    run = TrainingRun.objects.filter(output=version).first()
    if run is None:
        return ""
    settings = run.config["settings"]
    papers = {f.name: f.metadata["paper"] for f in fields(STAGES[run.stage].config)}
    names = [*papers, *(name for name in settings if name not in papers)]
    rows = (
        (name, settings[name], "–" if papers.get(name) is None else papers[name])
        for name in names
        if name in settings
    )
    table = _table(("setting", "here", "Ouyang et al. 2022"), rows)
    return f"## How it was trained\n\n{run.get_stage_display()}, {run.step} steps.\n\n{table}"


def _figures(version: ModelVersion, evaluations: Iterable[Evaluation]) -> str:
    parts = []
    if version.figures:
        rows = ((name, _number(value)) for name, value in sorted(version.figures.items()))
        parts.append("At the end of its training:\n\n" + _table(("figure", "value"), rows))
    for evaluation in evaluations:
        rows = ((name, _number(value)) for name, value in _told(evaluation.figures))
        parts.append(
            f"{_against(evaluation)}, judged by "
            f"{evaluation.get_judge_display().lower()} on the {evaluation.split} split, "
            f"{evaluation.created_at:%Y-%m-%d}:\n\n" + _table(("figure", "value"), rows)
        )
    return "## Figures\n\n" + "\n\n".join(parts) if parts else ""


def _told(figures: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Win rate first, then by name; without flags that nobody set and without single scores."""
    shown = [
        (name, value)
        for name, value in figures.items()
        if name not in _UNTOLD and (not name.startswith("flag_") or value["low"] or value["high"])
    ]
    return sorted(shown, key=lambda row: (row[0] not in _FIRST, row[0]))


def _against(evaluation: Evaluation) -> str:
    return f"Against {evaluation.baseline}" if evaluation.baseline else "By itself"


def _limits(
    version: ModelVersion, origin: Mapping[str, Any], evaluations: Iterable[Evaluation]
) -> str:
    """What a reader must know before believing the figures."""
    by_people = {Evaluation.Judge.LABELERS.value, Evaluation.Judge.HELD_OUT.value}
    judges = {evaluation.judge for evaluation in evaluations}
    prompts = sum(row["count"] for row in origin.get("prompts", []))
    erased = version.learned_from_erased_at
    points = [
        f"Some of what it learned from was erased on {erased:%Y-%m-%d}; its weights still hold "
        "what they learned. A version trained since then, without it, should take its place."
        if erased
        else "",
        "No person has compared its answers with another model's."
        if not judges & by_people
        else "People compared its answers; see the figures for how many and how sure.",
        "A reward model's verdict on a policy that was trained against it flatters the policy."
        if Evaluation.Judge.REWARD.value in judges
        else "",
        f"Its labels come from fewer than {FEW_LABELERS} labelers: it learned their taste."
        if origin["snapshot"] and len(origin["labelers"]) < FEW_LABELERS
        else "",
        f"Its labels are about {prompts} prompts, which is few."
        if origin["snapshot"] and prompts < FEW_PROMPTS
        else "",
        "It may say what is false or harmful; it was not tested for any particular use.",
    ]
    return "## Limits\n\n" + "\n".join(f"- {point}" for point in points if point)


def _table(head: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def _number(value: Any) -> str:
    """A figure with its 95 % interval where it has one."""
    if isinstance(value, list):  # the yardstick of an evaluation
        return "; ".join(f"best of {one['n']}: {_number(one['score'])}" for one in value)
    if isinstance(value, Mapping) and {"value", "low", "high"} <= value.keys():
        count = f", n = {value['n']}" if "n" in value else ""
        return f"{value['value']:.3g} [{value['low']:.3g}, {value['high']:.3g}]{count}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
