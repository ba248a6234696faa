"""Everybody who labels, with figures, intervals and what stands out in words; worst news first.

Made from the accounts and from totals that were counted ahead (`totals`), never from the labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Q, Sum
from django.utils import timezone

from accounts.models import Role, User
from labeling.intervals import Interval, wilson
from labeling.models import DailyTotal, LabelerFigures, LabelerProfile
from labeling.people.standing import state_of
from labeling.people.suspects import LEAST_ABILITY

_SUMS = (
    "labels", "active_seconds", "pairs", "tied", "contradictory", "too_fast", "skipped",
    "sent_back",
)  # fmt: skip
_WEEK = timedelta(days=6)
_SILENT = timedelta(days=14)
_USUAL = 1.0
# Of what may stand out: its name, what it is a share of, and what is said of who has more.
SHARES = {
    "skipped": ("offered", "skips more than the others", "of tasks"),
    "contradictory": ("rankings", "contradicts their own ratings more", "of rankings"),
    "too_fast": ("rankings", "is faster than anybody reads more often", "of rankings"),
    "sent_back": ("labels", "gets more sent back", "of labels"),
}


@dataclass(frozen=True)
class News:
    """Something about a labeler that somebody should know, and how bad it is, 0 to 1."""

    says: str
    weight: float


@dataclass(frozen=True)
class Person:
    """One labeler. Shares have intervals of 95 %; None is a share of nothing."""

    pk: int
    name: str
    state: str
    group: str
    languages: Sequence[str]
    declined: Sequence[str]
    today: int
    week: int
    labels: int
    active_seconds: int
    medians: Mapping[str, float]
    tied: Interval | None
    shares: Mapping[str, Interval | None]
    agreement: Interval | None
    ability: Interval | None
    comparisons: int
    last_seen: datetime | None
    news: Sequence[News] = ()

    @property
    def hours(self) -> float:
        """Active time, in hours."""
        return self.active_seconds / 3600

    @property
    def state_words(self) -> str:
        """The state as people read it."""
        return str(LabelerProfile.State(self.state).label)

    @property
    def group_words(self) -> str:
        """The same of the group."""
        return str(LabelerProfile.Group(self.group).label)

    @property
    def badness(self) -> tuple[float, float]:
        """By which the worst news come first; then who agrees least."""
        agreed = 2.0 if self.agreement is None else self.agreement.estimate
        return -sum(one.weight for one in self.news), agreed


Totals = dict[int, dict[str, int]]


def people(*, states: Sequence[str] = (), group: str = "", name: str = "") -> list[Person]:
    """The labelers in these states (all of none), of this group, whose name has `name` in it."""
    rows = User.objects.filter(role=Role.LABELER).select_related("labeler", "figures")
    totals = _totals()
    crew = _of_the_crew(totals)
    rate = _rate_of_the_crew()
    found = [_person(user, totals.get(user.pk, {}), crew, rate) for user in rows]
    chosen = [
        one
        for one in found
        if (not states or one.state in states)
        and group in ("", one.group)
        and name.casefold() in one.name.casefold()
    ]
    return sorted(chosen, key=lambda one: (one.badness, one.name.casefold()))


def days_of(labeler: User, days: int) -> list[dict[str, Any]]:
    """A labeler's latest days with something on them, newest first, all kinds together."""
    mine: Any = DailyTotal.objects.filter(labeler=labeler).order_by("-day").values("day")
    return list(mine.annotate(**{name: Sum(name) for name in _SUMS})[:days])


def _totals() -> Totals:
    """The sums of every labeler over all time, with what is of rankings, this week and today."""
    today: date = timezone.localdate()
    sums = {name: Sum(name) for name in _SUMS}  # under the fields' own names, so they come last
    lately = {
        "today": Sum("labels", filter=Q(day=today), default=0),
        "week": Sum("labels", filter=Q(day__gte=today - _WEEK), default=0),
        "rankings": Sum("labels", filter=Q(kind="ranking"), default=0),
    }
    rows: Any = DailyTotal.objects.order_by().values("labeler").annotate(**lately, **sums)
    return {row.pop("labeler"): row for row in rows}


def _counts(total: Mapping[str, int], name: str) -> tuple[int, int]:
    """How many, of how many."""
    count, of = total.get(name, 0), SHARES[name][0]
    return count, total.get("labels", 0) + count if of == "offered" else total.get(of, 0)


def _of_the_crew(totals: Totals) -> dict[str, tuple[int, int]]:
    counts = {name: [_counts(one, name) for one in totals.values()] for name in SHARES}
    return {name: (sum(n for n, _ in of), sum(m for _, m in of)) for name, of in counts.items()}


def _rate_of_the_crew() -> float | None:
    """The mean agreement, each labeler weighing as many comparisons as they have."""
    rows = LabelerFigures.objects.values_list("agreement", "comparisons")
    told = [(rate, n) for rate, n in rows if rate is not None]
    weights = sum(n for _, n in told)
    return sum(rate * n for rate, n in told) / weights if weights else None


def _person(
    user: User, total: Mapping[str, int], crew: Mapping[str, tuple[int, int]], rate: float | None
) -> Person:
    profile: LabelerProfile = getattr(user, "labeler", None) or LabelerProfile(user=user)
    figures: LabelerFigures = getattr(user, "figures", None) or LabelerFigures(labeler=user)
    seen = [at for at in (user.last_login, figures.last_label_at) if at]
    shares = {name: wilson(*_counts(total, name)) for name in SHARES}
    state = state_of(user)
    agreement = _interval(figures, "agreement")
    ability = _interval(figures, "ability")
    last_seen = max(seen, default=None)
    return Person(
        pk=user.pk,
        name=user.username,
        state=state,
        group=profile.group,
        languages=profile.languages,
        declined=profile.declined_topics,
        today=total.get("today", 0),
        week=total.get("week", 0),
        labels=total.get("labels", 0),
        active_seconds=total.get("active_seconds", 0),
        medians=figures.median_seconds,
        tied=wilson(total.get("tied", 0), total.get("pairs", 0)),
        shares=shares,
        agreement=agreement,
        ability=ability,
        comparisons=figures.comparisons,
        last_seen=last_seen,
        news=[
            *_disagrees(agreement, rate),
            *_guesses(ability),
            *_stands_out(total, shares, crew),
            *_silent(state, last_seen),
        ],
    )


def _interval(figures: LabelerFigures, name: str) -> Interval | None:
    estimate, low, high = (getattr(figures, f"{name}{end}") for end in ("", "_low", "_high"))
    return None if estimate is None else Interval(estimate, low, high)


def _guesses(ability: Interval | None) -> Iterator[News]:
    if ability and ability.high < _USUAL and ability.estimate < LEAST_ABILITY:
        span = f"{ability.low:.1f} to {ability.high:.1f}"
        yield News(f"orders pairs little better than a guess: ability {span}, 1 is usual", 0.2)


def _disagrees(agreement: Interval | None, rate: float | None) -> Iterator[News]:
    if agreement and rate is not None and agreement.high < rate:
        yield News(f"agrees less than the others: {span(agreement)}", rate - agreement.estimate)


def _stands_out(
    total: Mapping[str, int],
    shares: Mapping[str, Interval | None],
    crew: Mapping[str, tuple[int, int]],
) -> Iterator[News]:
    """Shares that surely lie above those of all others together."""
    for name, (_, says, of) in SHARES.items():
        share, (count, n) = shares[name], _counts(total, name)
        all_counts, all_n = crew[name]
        others = (all_counts - count) / (all_n - n) if all_n > n else None
        if share and others is not None and share.low > others:
            yield News(f"{says}: {span(share)} {of}", share.estimate - others)


def _silent(state: str, last_seen: datetime | None) -> Iterator[News]:
    if state == LabelerProfile.State.ACTIVE and last_seen:
        away = timezone.now() - last_seen
        if away > _SILENT:
            yield News(f"not seen for {away.days} days", 0.01)


def span(interval: Interval) -> str:
    """An interval as people read it: "61 to 68 %"."""
    return f"{100 * interval.low:.0f} to {100 * interval.high:.0f} %"
