"""What the pages read beyond the labeling app's own selectors: letters, forms, guidelines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from string import ascii_uppercase
from typing import Any, ClassVar

from django.db.models import QuerySet

from accounts.models import User
from frontend.changes import rendered_changes
from labeling.models import Assignment, FormVersion, Guideline, RankedCompletion, Ranking
from labeling.work.assignment_reads import shown_completions
from labeling.work.diversity import Share, length, opening, shares
from labeling.work.guideline_reads import reading
from labeling.work.home import Day, Waiting, done, home_counts
from labeling.work.my_work import recent_prompts
from labeling.work.rating_form import FIRST_FORM


@dataclass(frozen=True)
class Tile:
    """One kind of work on the home page; `many` if `waiting` is only a lower bound."""

    work: Waiting
    today: int
    many: bool


MANY = 100  # labeling counts what waits up to here


def tiles(labeler: User) -> list[Tile]:
    """Every kind of work, the most frequent first."""
    counted = reversed(home_counts(labeler))
    return [
        Tile(work, done(labeler, kind=work.kind).today, work.waiting >= MANY) for work in counted
    ]


@dataclass(frozen=True)
class Bar:
    """A day of the week's chart, in the units of its drawing (`WeekChart.HEIGHT` high)."""

    day: Day
    left: int
    top: int
    height: int

    @property
    def middle(self) -> int:
        """Where the day's name stands."""
        return self.left + WeekChart.BAR // 2


@dataclass(frozen=True)
class WeekChart:
    """The labels of seven days as bars, and their sums."""

    STEP: ClassVar[int] = 40
    BAR: ClassVar[int] = 24
    HEIGHT: ClassVar[int] = 80

    bars: list[Bar]
    labels: int
    active_seconds: int


def week_chart(days: Sequence[Day]) -> WeekChart:
    """The days as bars, the highest as high as the chart."""
    highest = max(1, *(day.labels for day in days))
    heights = [round(WeekChart.HEIGHT * day.labels / highest) for day in days]
    bars = [
        Bar(day, at * WeekChart.STEP, WeekChart.HEIGHT - height, height)
        for at, (day, height) in enumerate(zip(days, heights, strict=True))
    ]
    seconds = sum(day.active_seconds for day in days)
    return WeekChart(bars, sum(day.labels for day in days), seconds)


def assignments_of(labeler: User) -> QuerySet[Assignment]:
    """The labeler's assignments with everything a work page shows of them."""
    mine = Assignment.objects.filter(labeler=labeler)
    return mine.select_related("task", "task__prompt", "guideline", "form")


def lettered_completions(assignment: Assignment) -> list[tuple[str, dict[str, Any]]]:
    """The completions, {id, text, cut}, in this labeler's display order, each with its letter."""
    return list(zip(ascii_uppercase, shown_completions(assignment), strict=False))


def rating_fields(assignment: Assignment) -> dict[str, Any]:
    """The fields of the rating form the assignment came with; of an old one without, the newest."""
    form = assignment.form or FormVersion.objects.order_by("-version").first()
    return form.fields if form else FIRST_FORM


@dataclass(frozen=True)
class Placed:
    """A completion in a submitted ranking: its letter, its rating and the labels of its flags."""

    letter: str
    overall: int | None
    flags: list[str]
    text: str


def tiers_of(ranking: Ranking) -> list[list[Placed]]:
    """A submitted ranking as the board showed it, the best tier first."""
    fields = ranking.form.fields if ranking.form else FIRST_FORM
    labels = {flag["name"]: flag["label"] for flag in fields["flags"]}
    letters = dict(zip(ranking.display_order, ascii_uppercase, strict=False))
    ranked = sorted(ranking.ranked.all(), key=attrgetter("rank"))
    return [
        [_placed(one, letters, labels) for one in tier]
        for _, tier in groupby(ranked, attrgetter("rank"))
    ]


def _placed(one: RankedCompletion, letters: dict[int, str], labels: dict[str, str]) -> Placed:
    flags = [labels.get(flag, flag) for flag in one.flags]
    return Placed(letters[one.completion_id], one.overall, flags, one.completion.text)


@dataclass(frozen=True)
class Variety:
    """How varied the labeler's latest prompts are: by use case, by opening words, by length."""

    prompts: int
    use_cases: list[Share]
    openings: list[Share]
    lengths: list[Share]


def variety(labeler: User) -> Variety:
    """Over the latest prompts, each list with the most frequent first."""
    prompts = recent_prompts(labeler)
    texts = [prompt.last_message for prompt in prompts]
    return Variety(
        len(prompts),
        shares(prompt.get_use_case_display() for prompt in prompts),
        shares(map(opening, texts), most=5),
        shares(map(length, texts)),
    )


def still_to_read(
    labeler: User, *, kind: str, purpose: str, shown: Guideline | None = None
) -> dict[str, Any]:
    """The newest guideline if the labeler has not read it (and it is the one shown, if one is):
    `guideline`, `unread`, and `changes` since the version they read, None if they read none."""
    found = reading(labeler, kind=kind, purpose=purpose)
    if found is None or not found.is_new or (shown is not None and shown != found.newest):
        return {}
    changes = rendered_changes(found.read.text, found.newest.text) if found.read else None
    return {"guideline": found.newest, "unread": found, "changes": changes}


def guideline_before(guideline: Guideline) -> Guideline | None:
    """The version of the same guideline that this one replaced."""
    same = Guideline.objects.filter(kind=guideline.kind, purpose=guideline.purpose)
    return same.filter(version__lt=guideline.version).order_by("-version").first()


def newest_guidelines() -> QuerySet[Guideline]:
    """The current version of each guideline."""
    newest = Guideline.objects.order_by("kind", "purpose", "-version")
    return newest.distinct("kind", "purpose")
