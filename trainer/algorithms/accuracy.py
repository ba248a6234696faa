"""How well scores order completions as people did, and how sure one can be of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import pstdev, stdev

Z95 = 1.959964


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval."""

    estimate: float
    low: float
    high: float


def pair_outcomes(scores: Sequence[float], ranks: Sequence[int]) -> list[float]:
    """1 for every untied pair whose better completion scores higher, ½ for equal scores, else 0."""
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
    """Mean over all outcomes, its variance from whole clusters (linearised ratio estimator).

    Pairs of one prompt share completions and are not independent; prompts are. One cluster gives
    an interval from 0 to 1, none gives None. The quantile is Student's, for few prompts are common.
    (Cochran 1977, section 9A.)
    """
    filled = [cluster for cluster in clusters if cluster]
    if not filled:
        return None
    count = sum(map(len, filled))
    mean = sum(map(sum, filled)) / count
    if len(filled) == 1:
        return Interval(mean, 0.0, 1.0)
    squares = sum((sum(cluster) - mean * len(cluster)) ** 2 for cluster in filled)
    error = math.sqrt(squares * len(filled) / (len(filled) - 1)) / count
    reach = t95(len(filled) - 1) * error
    return Interval(mean, max(0.0, mean - reach), min(1.0, mean + reach))


def independent_mean(values: Sequence[float]) -> Interval:
    """Mean of independent values with Student's interval; that of a single one is unbounded."""
    count, mean = len(values), sum(values) / len(values)
    if count == 1:
        return Interval(mean, -math.inf, math.inf)
    reach = t95(count - 1) * stdev(values) / math.sqrt(count)
    return Interval(mean, mean - reach, mean + reach)


def t95(freedom: int) -> float:
    """The 97.5 % quantile of Student's t, exact at one and two degrees of freedom, then to 1 %.

    (Abramowitz and Stegun, 26.7.5; its first terms are a quarter too low at one.)
    """
    if freedom == 1:
        return math.tan(0.475 * math.pi)
    if freedom == 2:
        return 0.95 * math.sqrt(2 / (1 - 0.95**2))
    z = Z95
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3


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
        confidence = 1 / (1 + math.exp(-min(abs(margin), 700.0)))
        outcome = 0.5 if margin == 0 else float(margin > 0)
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
    return sum(one.pairs * abs(one.confidence - one.accuracy) for one in reliable) / max(pairs, 1)


def disagreement(opinions: Sequence[Sequence[float]]) -> float:
    """How far an ensemble's heads disagree on the order of a prompt's K completions, 0 to ½.

    `opinions` [K][heads]. The standard deviation between heads of σ(s_i − s_j), the chance a head
    gives to one completion being preferred, averaged over pairs. What a head adds to every score
    of a prompt makes no difference, as it makes none to its loss.
    """
    pairs = list(combinations(opinions, 2))
    spreads = (
        pstdev([1 / (1 + math.exp(-max(-700.0, a - b))) for a, b in zip(one, other, strict=True)])
        for one, other in pairs
    )
    return sum(spreads) / max(len(pairs), 1)
