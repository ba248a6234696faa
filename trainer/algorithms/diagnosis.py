"""What a reward model is worth on rankings it did not learn from, as its result reports it.

The names are those of docs/reward.md; pages plot them. The formulas are in `accuracy`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from torch import Tensor

from trainer.algorithms.accuracy import (
    ENDINGS,
    calibration_error,
    clustered_mean,
    disagreement,
    pair_endings,
    pair_margins,
    pair_outcomes,
    reliability,
)
from trainer.algorithms.data import Group


def validation_metrics(
    name: str, groups: Sequence[Group], opinions: Sequence[Tensor]
) -> dict[str, float]:
    """Accuracy with its 95 % interval, in all and by how the answers ended, calibration, and what
    preferring the longer would reach.

    `opinions` holds what each head says of a group's completions, [K, heads]; of an ensemble the
    mean is measured, and how far its heads disagree.
    """
    scores = means(opinions)
    # Length is what reward models exploit first: a model that is not above "the longer is better"
    # has learned nothing else.
    lengths = [[float(len(c)) for c in group.completions] for group in groups]
    accuracy = clustered_mean([*outcomes(groups, scores).values()])
    longer = clustered_mean([*outcomes(groups, lengths).values()])
    if accuracy is None or longer is None:
        return {}
    margins = _margins(groups, scores)
    metrics = {
        f"{name}/accuracy": accuracy.estimate,
        f"{name}/accuracy_low": accuracy.low,
        f"{name}/accuracy_high": accuracy.high,
        f"{name}/calibration_error": calibration_error(reliability(margins)),
        f"{name}/longer_wins": longer.estimate,
        f"{name}/pairs": float(len(margins)),
        **_accuracy_by_ending(name, groups, scores),
    }
    # Of one head the disagreement is 0 by definition; a 0 on a page would look like certainty.
    if opinions[0].shape[1] > 1:
        spreads = [disagreement(one.tolist()) for one in opinions]
        metrics[f"{name}/disagreement"] = sum(spreads) / len(spreads)
    return metrics


def _accuracy_by_ending(
    name: str, groups: Sequence[Group], scores: Sequence[list[float]]
) -> dict[str, float]:
    """`{name}/accuracy_{ending}` with its interval and pairs, for each ending that there is: a
    reward model that is read where it was trained is about as good on each."""
    clusters: dict[str, dict[str, list[float]]] = {ending: {} for ending in ENDINGS}
    for group, values in zip(groups, scores, strict=True):
        for ranks in group.rankings:
            endings = pair_endings(group.finished, ranks)
            for ending, outcome in zip(endings, pair_outcomes(values, ranks), strict=True):
                # By the prompt's tokens: the same prompt ranked by several labelers, or in two
                # queues, is one cluster.
                clusters[ending].setdefault(str(group.prompt), []).append(outcome)
    metrics: dict[str, float] = {}
    for ending, by_prompt in clusters.items():
        if interval := clustered_mean([*by_prompt.values()]):
            metrics |= {
                f"{name}/accuracy_{ending}": interval.estimate,
                f"{name}/accuracy_{ending}_low": interval.low,
                f"{name}/accuracy_{ending}_high": interval.high,
                f"{name}/pairs_{ending}": float(sum(map(len, by_prompt.values()))),
            }
    return metrics


def calibration(groups: Sequence[Group], opinions: Sequence[Tensor]) -> list[dict[str, float]]:
    """The bins of a reliability diagram over all untied pairs."""
    return [asdict(one) for one in reliability(_margins(groups, means(opinions)))]


def accuracy_figure(clusters: Sequence[Sequence[float]]) -> dict[str, Any] | None:
    """`{"value", "low", "high", "n"}` of outcomes, one list a prompt; None without a pair."""
    interval = clustered_mean(clusters)
    return None if interval is None else interval.figure(sum(map(len, clusters)))


def outcomes(groups: Sequence[Group], scores: Sequence[list[float]]) -> dict[str, list[float]]:
    """Outcomes of all untied pairs by prompt."""
    clusters: dict[str, list[float]] = {}
    for group, values in zip(groups, scores, strict=True):
        judged = [o for ranks in group.rankings for o in pair_outcomes(values, ranks)]
        clusters.setdefault(str(group.prompt), []).extend(judged)
    return clusters


def means(opinions: Sequence[Tensor]) -> list[list[float]]:
    """The scores of every group's completions: the mean of the heads."""
    return [one.mean(-1).tolist() for one in opinions]


def _margins(groups: Sequence[Group], scores: Sequence[list[float]]) -> list[float]:
    return [
        margin
        for group, values in zip(groups, scores, strict=True)
        for ranks in group.rankings
        for margin in pair_margins(values, ranks)
    ]
