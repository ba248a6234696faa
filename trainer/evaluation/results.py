"""What the labels of a head-to-head say of each version, as figures with 95 % intervals. Pure.

A tie counts as half a win for either side. Every interval takes prompts and labelers as clusters
(`labeling.intervals`). Of whatever has no label there is no figure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from labeling.human_evaluation.results import Judged
from labeling.intervals import Clusters, Interval, mean, rate
from trainer.evaluation.statistics import bradley_terry, length_controlled

Figures = dict[str, Any]
GROUPS = ("training", "held_out")


@dataclass(frozen=True)
class Pair:
    """One labeler's comparison: `mine` is the answer of the version that is looked at."""

    mine: Judged
    other: Judged

    @property
    def outcome(self) -> float:
        """1 for a win, ½ for a tie, 0 for a loss."""
        if self.mine.rank == self.other.rank:
            return 0.5
        return float(self.mine.rank < self.other.rank)


@dataclass(frozen=True)
class Verdict:
    """What one group of labelers said: how much of it there is, and each version's figures."""

    labels: int
    labelers: int
    prompts: int
    versions: dict[int, Figures]


def verdicts(
    rows: Sequence[Judged], ladder: Sequence[int], baseline: int, flags: Iterable[str]
) -> dict[str, Verdict]:
    """The verdict of each group of labelers that said anything.

    A version's figures: `win_rate` against the baseline with `wins`, `ties`, `losses`,
    `length_controlled_win_rate`, `bradley_terry` (log-odds over the baseline), `likert`,
    `response_tokens`, `flag_NAME` and `flag_NAME_rise` (its frequency less the baseline's on the
    same prompts), and `win_rate_in_USECASE`.
    """
    by_group: dict[str, list[Judged]] = defaultdict(list)
    for row in rows:
        by_group[row.group].append(row)
    names = sorted(flags)
    return {
        group: _verdict(by_group[group], ladder, baseline, names)
        for group in GROUPS
        if by_group[group]
    }


def figure(found: Interval | None, count: int) -> Figures | None:
    """An interval as it is stored; None where there is none or it has no bounds."""
    if found is None or not (isfinite(found.low) and isfinite(found.high)):
        return None
    return found.figure(count)


def pairs_of(rows: Iterable[Judged]) -> list[Pair]:
    """The comparisons in these rows, one a ranking of two."""
    by_ranking: dict[int, list[Judged]] = defaultdict(list)
    for row in rows:
        by_ranking[row.ranking].append(row)
    return [Pair(*two) for two in by_ranking.values() if len(two) == 2]


def _verdict(
    rows: Sequence[Judged], ladder: Sequence[int], baseline: int, flags: Sequence[str]
) -> Verdict:
    pairs = pairs_of(rows)
    strengths = _strengths(pairs, ladder, baseline)
    versions = {
        version: _present(
            _of_answers([row for row in rows if row.version == version], flags)
            | _against(_seen_from(pairs, version, baseline), flags)
            | {"bradley_terry": strengths[version]}
        )
        for version in ladder
    }
    return Verdict(
        labels=len(pairs),
        labelers=len({row.labeler for row in rows}),
        prompts=len({row.prompt for row in rows}),
        versions=versions,
    )


def _of_answers(rows: Sequence[Judged], flags: Sequence[str]) -> Figures:
    clusters = Clusters.of([row.prompt for row in rows], [row.labeler for row in rows])
    count = len(rows)
    ratings = [row.overall for row in rows if row.overall is not None]  # all: the form asks for it
    return {
        "likert": figure(mean(ratings, clusters), count),
        "response_tokens": figure(mean([row.tokens for row in rows], clusters), count),
    } | {
        f"flag_{flag}": figure(rate([float(flag in row.flags) for row in rows], clusters), count)
        for flag in flags
    }


def _against(pairs: Sequence[Pair], flags: Sequence[str]) -> Figures:
    if not pairs:
        return {}
    clusters = _clusters(pairs)
    outcomes = [pair.outcome for pair in pairs]
    gaps = [float(pair.mine.tokens - pair.other.tokens) for pair in pairs]
    figures: Figures = {
        "win_rate": figure(rate(outcomes, clusters), len(pairs)),
        "wins": outcomes.count(1.0),
        "ties": outcomes.count(0.5),
        "losses": outcomes.count(0.0),
        "length_controlled_win_rate": figure(
            length_controlled(outcomes, gaps, clusters), len(pairs)
        ),
    }
    for flag in flags:
        rises = [float(flag in p.mine.flags) - float(flag in p.other.flags) for p in pairs]
        figures[f"flag_{flag}_rise"] = figure(mean(rises, clusters), len(pairs))
    return figures | _by_use_case(pairs)


def _by_use_case(pairs: Sequence[Pair]) -> Figures:
    found: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        found[pair.mine.use_case].append(pair)
    return {
        f"win_rate_in_{use_case}": figure(
            rate([pair.outcome for pair in some], _clusters(some)), len(some)
        )
        for use_case, some in sorted(found.items())
    }


def _strengths(
    pairs: Sequence[Pair], ladder: Sequence[int], baseline: int
) -> Mapping[int, Figures | None]:
    """Bradley–Terry scores of the ladder, the baseline's being 0."""
    order = [baseline, *(version for version in ladder if version != baseline)]
    place: dict[int | None, int] = {version: number for number, version in enumerate(order)}
    games = [pair for pair in pairs if {pair.mine.version, pair.other.version} <= place.keys()]
    if not games:
        return dict.fromkeys(ladder)
    found = bradley_terry(
        [place[pair.mine.version] for pair in games],
        [place[pair.other.version] for pair in games],
        [pair.outcome for pair in games],
        _clusters(games),
        players=len(order),
    )
    count = {
        version: sum(version in (p.mine.version, p.other.version) for p in games)
        for version in ladder
    }
    return {version: figure(found[place[version]], count[version]) for version in ladder}


def _seen_from(pairs: Iterable[Pair], version: int, baseline: int) -> list[Pair]:
    """The comparisons of a version with the baseline, its own answer first."""
    turned = (p if p.mine.version == version else Pair(p.other, p.mine) for p in pairs)
    return [
        pair for pair in turned if pair.mine.version == version != pair.other.version == baseline
    ]


def _clusters(pairs: Sequence[Pair]) -> Clusters:
    return Clusters.of([p.mine.prompt for p in pairs], [p.mine.labeler for p in pairs])


def _present(figures: Figures) -> Figures:
    return {name: value for name, value in figures.items() if value is not None}
