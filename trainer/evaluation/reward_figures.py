"""Reads of how good a reward model is: its newest diagnosis, as figures and as a list of pairs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from labeling.models import Completion, Prompt, UseCase
from models_service.models import ModelVersion
from trainer.evaluation.summaries import GROUP_TITLES, point
from trainer.figures.data import Figure, Point, Series
from trainer.figures.svg import ticks
from trainer.models import Evaluation, Measurement, TrainingRun

_GAPS = ("0 or less", "1", "2", "3", "4 or more", "not rated")
_ENDINGS = {
    "finished": "Both finished",
    "mixed": "One cut, one finished",
    "cut": "Both cut at the limit",
}
_SPLITS = {"validation": "Validation, never seen", "train": "Training, seen"}
_FOLDS = {
    "seen": "Labelers it learned from",
    "left_out": "The fold's labelers",
    "held_out": "Held-out labelers",
}
_BINS = 20
_NOTE = "The bars are 95 % intervals over prompts and labelers; the dashed line is chance."


def newest(reward: ModelVersion) -> Measurement | None:
    """The newest diagnosis that was asked for."""
    return reward.measurements.filter(head_to_head=None).first()


def finished(reward: ModelVersion) -> Measurement | None:
    """The newest diagnosis that is there to be shown."""
    ended = reward.measurements.filter(head_to_head=None, state=Measurement.State.FINISHED)
    return ended.first()


def diagnosis_figures(reward: ModelVersion) -> list[Figure]:
    """Accuracy by split, group, labeler, use case, gap and ending; calibration; score
    distributions."""
    measurement = finished(reward)
    if measurement is None:
        return []
    found = measurement.figures
    accuracy = found["accuracy"]
    made = [
        _accuracy("accuracy-by-split", "Accuracy by split", "Split", _named(accuracy["split"],
                  _SPLITS)),
        _accuracy("accuracy-by-group", "Accuracy by group of labelers", "Group",
                  _named(accuracy["group"], GROUP_TITLES)),
        _accuracy("accuracy-by-labeler", "Accuracy by labeler", "Labeler",
                  [(name[:8], figure) for name, figure in accuracy["labeler"].items()]),
        _accuracy("accuracy-by-use-case", "Accuracy by use case", "Use case",
                  _named(accuracy["use_case"], dict(UseCase.choices))),
        _accuracy("accuracy-by-gap", "Accuracy by rating gap", "Gap in the labeler's ratings",
                  _named(accuracy["gap"], {gap: gap for gap in _GAPS})),
        _accuracy("accuracy-by-ending", "Accuracy by how the answers ended", "The two answers",
                  _named(accuracy.get("ending", {}), _ENDINGS)),
        _folds(reward),
        _calibration(found["calibration"]),
        score_distributions(_heaps(reward, found["scores"])),
    ]  # fmt: skip
    return [figure for figure in made if not figure.empty]


def disagreements(reward: ModelVersion, most: int = 30) -> list[dict[str, Any]]:
    """Where it and the labelers disagree most, with the texts, the worst first."""
    measurement = finished(reward)
    rows = measurement.figures["disagreements"][:most] if measurement else []
    prompts = Prompt.objects.in_bulk([row["prompt"] for row in rows])
    answers = Completion.objects.in_bulk([row[side] for row in rows for side in _SIDES])
    return [
        row
        | {f"{side}_text": answers[row[side]].text for side in _SIDES}
        | {"asked": prompts[row["prompt"]].messages[-1]["content"]}
        | {"margin_shown": f"{-row['margin']:.2f}"}
        for row in rows
        if row["prompt"] in prompts and all(row[side] in answers for side in _SIDES)
    ]


_SIDES = ("better", "worse")


def score_distributions(heaps: Mapping[str, Iterable[float]]) -> Figure:
    """The share of each heap's scores in bins that all share."""
    every = [value for values in heaps.values() for value in values]
    marks = ticks(min(every, default=0.0), max(every, default=1.0), _BINS)
    series = []
    for title, values in heaps.items():
        counts = [0] * len(marks)
        for value in values:
            place = max(at for at, mark in enumerate(marks) if mark <= value or at == 0)
            counts[place] += 1
        total = sum(counts)
        if total:
            points = [Point(m, c / total, n=c) for m, c in zip(marks, counts, strict=True)]
            series.append(Series(f"{title} ({total})", points, "steps"))
    return Figure(
        "scores",
        "Distribution of scores",
        "Score; demonstrations score 0 on average",
        "Share of answers, %",
        series,
        "Each point of the data is the left edge of its bin.",
        percent=True,
    )


def _heaps(reward: ModelVersion, scores: Mapping[str, list[float]]) -> dict[str, list[float]]:
    """Demonstrations first, then the policies; of versions no labeler met, what the round's own
    evaluation sampled."""
    heaps = dict(scores)
    rows = Evaluation.objects.filter(round__runs__output=reward, judge=Evaluation.Judge.REWARD)
    for row in rows.select_related("version", "baseline"):
        sampled = row.figures.get("scores", {})
        if "policy" in sampled:
            heaps.setdefault(row.version.name, sampled["policy"])
        if "baseline" in sampled and row.baseline:
            heaps.setdefault(row.baseline.name, sampled["baseline"])
    return heaps


def _accuracy(
    name: str, title: str, what: str, rows: Iterable[tuple[str, Mapping[str, Any]]]
) -> Figure:
    points = [point(label, figure) for label, figure in rows]
    return Figure(
        name,
        title,
        "Pairs ordered as the labeler did, %",
        what,
        [Series("Accuracy", points)] if points else [],
        _NOTE,
        percent=True,
        reference=0.5,
        bounds=(0, 1),
        shape="rows",
    )


def _folds(reward: ModelVersion) -> Figure:
    """Of models that learned without each fold of labelers, as its run reports them."""
    run = TrainingRun.objects.filter(output=reward).first()
    found = (run.result.get("notes", {}).get("folds") if run else None) or {}
    folds = found.get("folds", [])
    rows = [(f"Without fold {one['fold']}", one) for one in folds]
    rows += [("All folds", found)] if folds else []
    series = [
        Series(title, [point(name, one[key]) for name, one in rows if one.get(key)])
        for key, title in _FOLDS.items()
    ]
    empty = [str(one["fold"]) for one in folds if not one["prompts"]]
    without = f" Outside fold {', '.join(empty)} nothing was preferred: no model." if empty else ""
    return Figure(
        "accuracy-by-fold",
        "Accuracy by fold of labelers",
        "Pairs ordered as the labeler did, %",
        "Model trained",
        [one for one in series if one.points],
        "Each model learned from the labelers outside its fold. Bars are 95 % intervals over "
        f"prompts.{without}",
        percent=True,
        reference=0.5,
        bounds=(0, 1),
        shape="rows",
    )


def _named(
    figures: Mapping[str, Any], titles: Mapping[str, Any]
) -> list[tuple[str, Mapping[str, Any]]]:
    return [(str(title), figures[name]) for name, title in titles.items() if name in figures]


def _calibration(bins: Iterable[Mapping[str, float]]) -> Figure:
    points = [Point(b["predicted"], b["value"], b["low"], b["high"], int(b["n"])) for b in bins]
    return Figure(
        "calibration",
        "Calibration",
        "Predicted chance that the higher score is preferred",
        "Preferred by the labeler, %",
        [Series("Pairs of answers", points, "line")],
        "On the dashed line the model is as sure as it is right; below it, too sure.",
        percent=True,
        diagonal=True,
        bounds=(0, 1),
        x_bounds=(0.5, 1),
    )
