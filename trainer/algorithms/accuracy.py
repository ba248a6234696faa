"""How well scores order completions as people did, and how sure one can be of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import pstdev

from labeling.intervals import Clusters, Interval, mean, rate


def pair_outcomes(scores: Sequence[float], ranks: Sequence[int]) -> list[float]:
    """1 for every untied pair whose better completion scores higher, ½ for equal scores, else 0."""
    # Ties are no outcome: a labeler who calls two equal has said nothing that a score could miss.
    outcomes = []
    for i, j in combinations(range(len(ranks)), 2):
        if ranks[i] != ranks[j]:
            ahead = (scores[i] - scores[j]) * (ranks[j] - ranks[i])
            outcomes.append(0.5 if ahead == 0 else float(ahead > 0))
    return outcomes


def pair_margins(scores: Sequence[float], ranks: Sequence[int]) -> list[float]:
    """Score of the better less that of the worse completion, for every untied pair."""
    pairs = combinations(range(len(ranks)), 2)
    return [
        (scores[i] - scores[j]) * (1 if ranks[i] < ranks[j] else -1)
        for i, j in pairs
        if ranks[i] != ranks[j]
    ]


# How the answers of a pair ended: both cut, one of them, none.
ENDINGS = ("cut", "mixed", "finished")


def pair_endings(finished: Sequence[bool], ranks: Sequence[int]) -> list[str]:
    """One of ENDINGS for every untied pair."""
    pairs = combinations(range(len(ranks)), 2)
    return [ENDINGS[finished[i] + finished[j]] for i, j in pairs if ranks[i] != ranks[j]]


def clustered_mean(clusters: Sequence[Sequence[float]]) -> Interval | None:
    """Mean over all outcomes, from 0 to 1, with its interval from whole clusters; None of none.

    Pairs of one prompt share completions and are not independent; prompts are.
    """
    prompts = [number for number, cluster in enumerate(clusters) for _ in cluster]
    # A mean over pairs, so that a prompt with nine completions counts more than one with four, as
    # in the paper's accuracy; only the variance is taken over whole prompts.
    return rate([outcome for cluster in clusters for outcome in cluster], Clusters.of(prompts))


def independent_mean(values: Sequence[float]) -> Interval:
    """Mean of independent values with Student's interval; that of a single one is unbounded."""
    found = mean(values, Clusters.of(range(len(values))))
    assert found is not None, "a mean of nothing"
    # Of one value `mean` gives that value's own range, a point, as if it were certain; and scores
    # have no bounds that could stand instead.
    return found if len(values) > 1 else Interval(found.estimate, -math.inf, math.inf)


@dataclass(frozen=True)
class Bin:
    """Pairs of like confidence: how sure the scores were on average, and how often rightly."""

    low: float
    high: float
    confidence: float
    accuracy: float
    pairs: int


def reliability(margins: Sequence[float], bins: int = 10) -> list[Bin]:
    """σ(|margin|), the chance that the higher score is preferred, against how often it was.

    Each pair is seen from its higher-scored side, so its confidence lies in [½, 1]; the bins are
    equally wide, and empty ones are left out. (Guo et al. 2017, section 2.)
    """
    placed: dict[int, list[tuple[float, float]]] = {}
    for margin in margins:
        # The chance by the model's own loss: Bradley and Terry's σ of the difference.
        confidence = 1 / (1 + math.exp(-abs(margin)))
        outcome = 0.5 if margin == 0 else float(margin > 0)
        # A confidence of exactly 1 belongs to the last bin.
        place = min(int((confidence - 0.5) * 2 * bins), bins - 1)
        placed.setdefault(place, []).append((confidence, outcome))
    width = 0.5 / bins
    return [
        Bin(
            low=0.5 + place * width,
            high=0.5 + (place + 1) * width,
            confidence=sum(c for c, _ in pairs) / len(pairs),
            accuracy=sum(o for _, o in pairs) / len(pairs),
            pairs=len(pairs),
        )
        for place, pairs in sorted(placed.items())
    ]


def calibration_error(reliable: Sequence[Bin]) -> float:
    """Expected calibration error: the gap between confidence and accuracy, averaged over pairs."""
    pairs = sum(one.pairs for one in reliable)
    # Guo et al. 2017, equation 3: bins count by their pairs.
    return sum(one.pairs * abs(one.confidence - one.accuracy) for one in reliable) / max(pairs, 1)


def disagreement(opinions: Sequence[Sequence[float]]) -> float:
    """How far an ensemble's heads disagree on the order of a prompt's K completions, 0 to ½.

    `opinions` [K][heads]. The standard deviation between heads of σ(s_i − s_j), the chance a head
    gives to one completion being preferred, averaged over pairs. What a head adds to every score
    of a prompt makes no difference, as it makes none to its loss.
    """
    pairs = list(combinations(opinions, 2))
    spreads = (
        # Of all heads there are, not of a sample of them: hence pstdev, whose most, ½, is half of
        # them sure of each side. e^709 is the last that a float holds.
        pstdev([1 / (1 + math.exp(-max(-700.0, a - b))) for a, b in zip(one, other, strict=True)])
        for one, other in pairs
    )
    return sum(spreads) / max(len(pairs), 1)
