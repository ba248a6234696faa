"""Agreement taken apart: by what was asked and by whom, by pair of labelers, by flag, and of each
labeler with themselves. Pure; `agreement_reads` brings the rankings.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import combinations

from labeling.intervals import Floats, Interval
from labeling.people.agreement import (
    Agreement,
    across,
    among,
    between,
    clustered_alpha,
    ranking_alpha,
)
from labeling.people.association import cohen_kappa, ranking_tau, verdicts

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Said:
    """One labeler's word on a task: rank and flags of each completion, in the task's order."""

    labeler: int
    group: str
    guideline: str
    day: date
    ranks: Sequence[int]
    flags: Sequence[frozenset[str]]


@dataclass(frozen=True)
class Overlap:
    """A task that several labelers ranked."""

    use_case: str
    language: str
    said: Sequence[Said]


@dataclass(frozen=True)
class Figures:
    """How far labelers agree over some tasks; what nothing tells is None."""

    rate: Interval | None
    alpha: Interval | None
    tau: Interval | None
    comparisons: int
    tasks: int

    @classmethod
    def of(cls, tasks: Sequence[Sequence[Sequence[int]]]) -> Figures:
        """Of ranks [task][labeler][completion]."""
        rates = across(map(among, tasks))
        return cls(
            rates.interval, ranking_alpha(tasks), ranking_tau(tasks), rates.total, len(tasks)
        )

    def beside(self, others: Figures) -> str:
        """In words, where these labelers' rate is surely not that of all: "less" or "more"."""
        if self.rate is None or others.rate is None:
            return ""
        if self.rate.high < others.rate.estimate:
            return "less"
        return "more" if self.rate.low > others.rate.estimate else ""


Split = Callable[[Overlap], Mapping[str, Sequence[Said]]]


def _by(name_of: Callable[[Said], str]) -> Split:
    """Labelers are compared with those whose rankings have the same name."""

    def split(task: Overlap) -> Mapping[str, Sequence[Said]]:
        parts: dict[str, list[Said]] = defaultdict(list)
        for said in task.said:
            parts[name_of(said)].append(said)
        return parts

    return split


def _flagged(task: Overlap) -> Mapping[str, Sequence[Said]]:
    """Under each flag that any labeler set anywhere in the task."""
    return {flag: task.said for said in task.said for flags in said.flags for flag in flags}


def _week(task: Overlap) -> Mapping[str, Sequence[Said]]:
    """Under the Monday of the last ranking, with which there was something to compare."""
    day = max(said.day for said in task.said)
    return {(day - timedelta(days=day.weekday())).isoformat(): task.said}


BREAKDOWNS: dict[str, tuple[str, Split]] = {
    "use_case": ("Use case", lambda task: {task.use_case: task.said}),
    "flag": ("Flag", _flagged),
    "guideline": ("Guideline version", _by(lambda said: said.guideline or UNKNOWN)),
    "language": ("Language", lambda task: {task.language or UNKNOWN: task.said}),
    "group": ("Group", _by(lambda said: said.group)),
    "week": ("Week", _week),
}
"""What agreement can be taken apart by: a title, and which of a task's rankings go under what."""


def overall(tasks: Iterable[Overlap]) -> Figures:
    """Of all labelers of all these tasks."""
    return Figures.of([[said.ranks for said in task.said] for task in tasks])


def parts(tasks: Iterable[Overlap], by: str) -> dict[str, Figures]:
    """The figures under each name, those who agree least first; weeks the newest first."""
    _, split = BREAKDOWNS[by]
    ranks: dict[str, list[list[Sequence[int]]]] = defaultdict(list)
    for task in tasks:
        for name, said in split(task).items():
            if len(said) > 1:
                ranks[name].append([one.ranks for one in said])
    found = {name: Figures.of(ranks[name]) for name in sorted(ranks, reverse=by == "week")}
    return found if by == "week" else dict(sorted(found.items(), key=lambda part: _rate(part[1])))


@dataclass(frozen=True)
class Pair:
    """How far two labelers agree, over the tasks that both ranked."""

    first: int
    second: int
    rate: Interval | None
    kappa: Interval | None
    comparisons: int
    tasks: int


def matrix(tasks: Iterable[Overlap]) -> list[Pair]:
    """Every pair of labelers with a task in common, by their numbers."""
    agreed: dict[tuple[int, int], list[Agreement]] = defaultdict(list)
    tables: dict[tuple[int, int], list[Floats]] = defaultdict(list)
    for task in tasks:
        for one, other in combinations(sorted(task.said, key=lambda said: said.labeler), 2):
            pair = (one.labeler, other.labeler)
            agreed[pair].append(between(one.ranks, other.ranks))
            tables[pair].append(verdicts(one.ranks, other.ranks))
    return [
        Pair(*pair, rates.interval, cohen_kappa(tables[pair]), rates.total, len(agreed[pair]))
        for pair in sorted(agreed)
        for rates in [across(agreed[pair])]
    ]


@dataclass(frozen=True)
class FlagAgreement:
    """How far labelers agree on one flag of a completion.

    `rate` is the share of pairs of labelers who both set it or both did not, `alpha` that beyond
    chance, `share` how often it is set at all: one that is never set has a rate of 1.
    """

    flag: str
    rate: Interval | None
    alpha: Interval | None
    share: float
    judgments: int


def flag_agreement(tasks: Sequence[Overlap], flags: Iterable[str]) -> list[FlagAgreement]:
    """Of each of these flags, those agreed on least first."""
    found = [_on(flag, tasks) for flag in flags]
    return sorted(found, key=lambda one: (one.alpha is None, one.alpha and one.alpha.estimate))


def _on(flag: str, tasks: Sequence[Overlap]) -> FlagAgreement:
    units = [
        [[float(flag in flags) for flags in of] for of in zip(*_flags(task), strict=True)]
        for task in tasks
    ]
    said = [value for task in units for unit in task for value in unit]
    rates = across(sum(map(_alike, task), Agreement(0, 0)) for task in units)
    share = sum(said) / len(said) if said else 0.0
    return FlagAgreement(flag, rates.interval, clustered_alpha(units), share, len(said))


def _flags(task: Overlap) -> list[Sequence[frozenset[str]]]:
    return [said.flags for said in task.said]


def _alike(unit: Sequence[float]) -> Agreement:
    pairs = [one == other for one, other in combinations(unit, 2)]
    return Agreement(sum(pairs), len(pairs))


def with_themselves(repeats: Mapping[int, Sequence[Sequence[Sequence[int]]]]) -> dict[int, Figures]:
    """Each labeler's agreement with what they said of the same completions before, the least first;
    `repeats` are ranks by labeler, [prompt][time][completion]."""
    found = {labeler: Figures.of(again) for labeler, again in repeats.items()}
    return dict(sorted(found.items(), key=lambda one: _rate(one[1])))


def _rate(figures: Figures) -> float:
    return 2.0 if figures.rate is None else figures.rate.estimate
