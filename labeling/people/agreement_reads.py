"""How far the labelers of an installation agree, from tasks that more than one has ranked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from accounts.models import User
from labeling.models import FormVersion, RankedCompletion, Ranking
from labeling.people.agreement import Agreement, TasksAgreement, across, among, between
from labeling.people.agreement_figures import Overlap, Said

MOST_TASKS = 2_000
"""A page looks at so many of the newest tasks: with as many, an interval is ± 1 point."""
_MOST_REPEATS = 5_000
_SAID = (
    "pk", "task", "labeler", "group", "guideline__purpose", "guideline__version", "created_at",
    "prompt__use_case", "prompt__language",
)  # fmt: skip
_Ranks = dict[int, list[int]]


def overlaps(most: int = MOST_TASKS) -> list[Overlap]:
    """The newest tasks that more than one labeler ranked, with all that was said."""
    tasks = list(_several().order_by("-task").values_list("task", flat=True)[:most])
    rows = _by_labelers(Ranking.objects.filter(task__in=tasks)).order_by("-task", "labeler")
    said = list(rows.values_list(*_SAID))
    placed = _placed([pk for pk, *_ in said])
    return [
        Overlap(rankings[0][-2], rankings[0][-1], [_said(row, placed) for row in rankings])
        for _, group in groupby(said, itemgetter(1))
        for rankings in [list(group)]
    ]


def repeats() -> dict[int, list[list[list[int]]]]:
    """What labelers ranked more than once, by labeler: [prompt][time][completion].

    A task comes to a labeler once; one that repeats it asks the same prompt with the same texts.
    """
    rankings = _by_labelers(Ranking.objects.exclude(labeler=None)).order_by()
    again = rankings.values_list("labeler", "prompt").annotate(n=Count("pk")).filter(n__gt=1)
    newest = list(again.order_by("-prompt")[:_MOST_REPEATS])
    wanted = {(labeler, prompt) for labeler, prompt, _ in newest}
    found = rankings.filter(prompt__in={prompt for _, prompt in wanted})
    found = found.filter(labeler__in={labeler for labeler, _ in wanted}).order_by("pk")
    by_text: dict[tuple[int, int], list[dict[str, int]]] = defaultdict(list)
    texts = _texts(list(found.values_list("pk", flat=True)))
    for pk, labeler, prompt in found.values_list("pk", "labeler", "prompt"):
        if (labeler, prompt) in wanted:
            by_text[labeler, prompt].append(texts[pk])
    ranks: dict[int, list[list[list[int]]]] = defaultdict(list)
    for (labeler, _), times in by_text.items():
        if len(again_ranks := _common(times)) > 1:
            ranks[labeler].append(again_ranks)
    return dict(ranks)


def flag_names() -> list[tuple[str, str]]:
    """Name and label of every flag of the newest form."""
    form = FormVersion.objects.first()
    return [(flag["name"], flag["label"]) for flag in form.fields["flags"]] if form else []


def agreement_of_all() -> TasksAgreement:
    """Over every pair of labelers who ranked the same task."""
    return across(among(ranks.values()) for ranks in _overlapping())


def agreement_of(labeler: User, *, latest: int | None = None) -> TasksAgreement:
    """Of one labeler with all who ranked the same tasks, over their latest rankings or all."""
    tasks = []
    own = Ranking.objects.filter(labeler=labeler, excluded_at=None).order_by("-pk")
    for ranks in _overlapping(task__in=own.values("task")[:latest]):
        mine = ranks.pop(labeler.pk, None)
        if mine is not None:
            tasks.append(sum((between(mine, other) for other in ranks.values()), Agreement(0, 0)))
    return across(tasks)


def _several(**which: object) -> QuerySet[Ranking, Any]:
    rankings = _by_labelers(Ranking.objects.filter(**which))
    return rankings.order_by().values("task").annotate(n=Count("pk")).filter(n__gt=1)


def _overlapping(**which: object) -> list[_Ranks]:
    """For each task with several rankings, the ranks of its completions by labeler."""
    rows = (
        RankedCompletion.objects.filter(
            ranking__task__in=_several(**which).values("task"),
            ranking__in=_by_labelers(Ranking.objects.filter(**which)),
        )
        .order_by("ranking__task", "ranking__labeler", "completion")
        .values_list("ranking__task", "ranking__labeler", "rank")
    )
    return [
        {labeler: [rank for *_, rank in ranks] for labeler, ranks in groupby(task, itemgetter(1))}
        for _, task in groupby(rows, itemgetter(0))
    ]


def _placed(rankings: Iterable[int]) -> dict[int, list[tuple[int, list[str]]]]:
    """Rank and flags of every completion, by ranking."""
    places = RankedCompletion.objects.filter(ranking__in=rankings)
    rows = places.order_by("ranking", "completion").values_list("ranking", "rank", "flags")
    return {
        ranking: [(rank, flags) for _, rank, flags in of]
        for ranking, of in groupby(rows, itemgetter(0))
    }


def _said(row: tuple[Any, ...], placed: dict[int, list[tuple[int, list[str]]]]) -> Said:
    pk, _, labeler, group, purpose, version, created, *_ = row
    guideline = f"{purpose} v{version}" if version else ""
    ranks, flags = zip(*placed[pk], strict=True)
    day = timezone.localdate(created)
    return Said(labeler, group, guideline, day, ranks, [frozenset(some) for some in flags])


def _texts(rankings: Iterable[int]) -> dict[int, dict[str, int]]:
    """Each ranking's ranks by the texts of its completions."""
    texts: dict[int, dict[str, int]] = defaultdict(dict)
    places = RankedCompletion.objects.filter(ranking__in=rankings).order_by("completion")
    for ranking, text, rank in places.values_list("ranking", "completion__text", "rank"):
        texts[ranking][text] = rank
    return texts


def _common(times: list[dict[str, int]]) -> list[list[int]]:
    """The ranks, time by time, of the texts that all these rankings share; none of fewer than two,
    which is another task on the same prompt."""
    shared = set.intersection(*(set(ranks) for ranks in times))
    return [[ranks[text] for text in sorted(shared)] for ranks in times] if len(shared) > 1 else []


def _by_labelers(rows: QuerySet[Ranking]) -> QuerySet[Ranking]:
    """What labelers said by themselves: also where the admin let another ranking stand for it."""
    counts = Q(excluded_at=None) | Q(adjudicated_by__isnull=False)
    return rows.filter(counts, assignment__isnull=False)
