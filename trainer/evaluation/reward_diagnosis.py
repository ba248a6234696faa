"""How good a reward model is, from its scores of answers that people ranked. Pure.

Accuracy is the share of untied pairs that it orders as the labeler did, equal scores one half; the
intervals take prompts and labelers as clusters. What it never saw in training, the validation
split, is told apart from what it did see.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from labeling.human_evaluation.results import Judged
from labeling.intervals import Clusters, rate
from trainer.algorithms.accuracy import ENDINGS
from trainer.evaluation.results import Figures, figure

BINS = 10
MOST_DISAGREEMENTS = 100
UNSEEN, SEEN = "validation", "train"


@dataclass(frozen=True)
class Scored:
    """An untied pair: `margin` is the score of the answer the labeler ranked higher less that of
    the other, `gap` the same of their ratings, where they have any."""

    better: Judged
    worse: Judged
    split: str
    margin: float

    @property
    def gap(self) -> int | None:
        better, worse = self.better.overall, self.worse.overall
        return None if better is None or worse is None else better - worse

    @property
    def ending(self) -> str:
        return ENDINGS[self.better.finished + self.worse.finished]

    @property
    def outcome(self) -> float:
        return 0.5 if self.margin == 0 else float(self.margin > 0)


def scored_pairs(
    rows: Iterable[Judged], splits: Mapping[int, str], scores: Mapping[int, float]
) -> list[Scored]:
    """Every untied pair of every ranking; `splits` by prompt, `scores` by completion."""
    by_ranking: dict[int, list[Judged]] = defaultdict(list)
    for row in rows:
        by_ranking[row.ranking].append(row)
    pairs = []
    for ranked in by_ranking.values():
        for one, other in combinations(sorted(ranked, key=lambda row: row.rank), 2):
            if one.rank < other.rank:
                margin = scores[one.completion] - scores[other.completion]
                pairs.append(Scored(one, other, splits[one.prompt], margin))
    return pairs


def diagnosis(pairs: Sequence[Scored], pseudonyms: Mapping[int | str, str]) -> dict[str, Any]:
    """Accuracy by split, group, labeler, use case, rating gap and how the two answers ended;
    calibration; disagreements."""
    unseen = [pair for pair in pairs if pair.split == UNSEEN]
    by: dict[str, Callable[[Scored], str]] = {
        "group": lambda pair: pair.better.group,
        "labeler": lambda pair: pseudonyms[pair.better.labeler],
        "use_case": lambda pair: pair.better.use_case,
        "gap": lambda pair: gap_title(pair.gap),
        "ending": lambda pair: pair.ending,
    }
    found: dict[str, Any] = {name: _accuracies(unseen, key) for name, key in by.items()}
    found["split"] = _accuracies(pairs, lambda pair: pair.split)
    calibration = calibrated(unseen)
    return {
        "accuracy": found,
        "calibration": calibration,
        "disagreements": disagreements(pairs, pseudonyms),
    }


def gap_title(gap: int | None) -> str:
    """Rating gaps in the order people read them; a contradiction is a gap of 0 or less."""
    if gap is None:
        return "not rated"
    return "0 or less" if gap <= 0 else str(gap) if gap < 4 else "4 or more"


def calibrated(pairs: Sequence[Scored]) -> list[Figures]:
    """For each bin of σ(|margin|): what was predicted and how often the labeler agreed."""
    bins: dict[int, list[Scored]] = defaultdict(list)
    for pair in pairs:
        place = int((_confidence(pair) - 0.5) * 2 * BINS)
        bins[min(place, BINS - 1)].append(pair)
    return [
        {"predicted": sum(map(_confidence, some)) / len(some), **found}
        for _, some in sorted(bins.items())
        if (found := _accuracy(some))
    ]


def disagreements(
    pairs: Iterable[Scored], pseudonyms: Mapping[int | str, str]
) -> list[dict[str, Any]]:
    """The pairs it orders most wrongly, the worst of each prompt, the worst prompt first."""
    worst: dict[int, Scored] = {}
    for pair in sorted(pairs, key=lambda pair: pair.margin):
        if pair.margin < 0:
            worst.setdefault(pair.better.prompt, pair)
    return [
        {
            "prompt": pair.better.prompt,
            "ranking": pair.better.ranking,
            "labeler": pseudonyms[pair.better.labeler],
            "split": pair.split,
            "use_case": pair.better.use_case,
            "better": pair.better.completion,
            "worse": pair.worse.completion,
            "margin": pair.margin,
            "gap": pair.gap,
        }
        for pair in list(worst.values())[:MOST_DISAGREEMENTS]
    ]


def _accuracies(pairs: Iterable[Scored], key: Callable[[Scored], str]) -> dict[str, Figures]:
    groups: dict[str, list[Scored]] = defaultdict(list)
    for pair in pairs:
        groups[key(pair)].append(pair)
    return {name: found for name in sorted(groups) if (found := _accuracy(groups[name]))}


def _accuracy(pairs: Sequence[Scored]) -> Figures | None:
    clusters = Clusters.of(
        [pair.better.prompt for pair in pairs], [pair.better.labeler for pair in pairs]
    )
    return figure(rate([pair.outcome for pair in pairs], clusters), len(pairs))


def _confidence(pair: Scored) -> float:
    return 1 / (1 + math.exp(-min(abs(pair.margin), 700.0)))
