"""Which labels a snapshot takes: filters by name, as a round's recipe writes them.

since, until       ISO moments or days; a day given as `until` is still in
use_cases          names; of prompts to sample from, too
origins            here, imported, or names of sets that labels were imported from; of prompts, too
groups             of the labelers when they gave the label: training, held_out
policies           names of the model versions asked; of rankings
ranking_guidelines, demonstration_guidelines   version numbers; of labels of that kind
agreement          0 to 1; rankings of a task whose labelers agree on a smaller share of pairs are
                   left out, and a task that one labeler ranked, which shows no agreement, stays
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, time, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeVar

from django.db.models import Count, Q, QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from labeling.intake.labels import about
from labeling.models import Demonstration, LabelingTask, Prompt, RankedCompletion, Ranking
from labeling.models.guidelines import Purpose
from labeling.models.tasks import IMPORTED
from labeling.people.agreement import among

Filters = Mapping[str, Any]
Label = TypeVar("Label", Demonstration, Ranking)
Rule = Callable[[Any], Q]


def usable(rows: QuerySet[Label], filters: Filters | None = None) -> QuerySet[Label]:
    """Labels that may be trained on or measured with, and that the filters choose.

    Raises ValueError for a filter that does not exist.
    """
    chosen = Q(excluded_at=None, prompt__state=Prompt.State.ACTIVE)
    chosen &= Q(task__purpose__in=[Purpose.TRAINING, IMPORTED])
    rules = _OF_LABELS | (_OF_RANKINGS if rows.model is Ranking else _OF_DEMONSTRATIONS)
    for name, value in _known(filters).items():
        if name in rules:
            chosen &= rules[name](value)
    return rows.filter(chosen).order_by("pk")


def active_prompts(filters: Filters | None = None) -> QuerySet[Prompt]:
    """Prompts to sample from: only the use cases matter, and where they come from."""
    chosen = _known(filters)
    rows = Prompt.objects.filter(state=Prompt.State.ACTIVE).order_by("pk")
    if origins := chosen.get("origins"):
        here = Q(source=Prompt.Source.LABELS, _negated=True)
        tasks = LabelingTask.objects.filter(_of_sets(origins, "origin"))
        came = ~here & Q(pk__in=tasks.values("prompt"))
        rows = rows.filter(here | came if about.HERE in origins else came)
    use_cases = chosen.get("use_cases")
    return rows.filter(use_case__in=use_cases) if use_cases else rows


def own_few_shot_prompts(filters: Filters | None = None) -> QuerySet[Prompt]:
    """Few-shot prompts that people wrote here; none where a guideline is asked for."""
    chosen = _known(filters)
    rows = active_prompts(filters).filter(
        kind=Prompt.Kind.FEW_SHOT, source__in=[Prompt.Source.LABELER, Prompt.Source.DEMO]
    )
    for name in ("since", "until"):
        if name in chosen:
            rows = rows.filter(_OF_LABELS[name](chosen[name]))
    return rows.none() if "demonstration_guidelines" in chosen else rows


def moment(text: str, *, end: bool = False) -> datetime:
    """A moment, or a day's beginning, or its end where `end`. Raises ValueError."""
    found = parse_datetime(text) if len(text) > len("2026-01-31") else None
    if found is None:
        day = parse_date(text)
        if day is None:
            raise ValueError(f"{text!r} is neither a day nor a moment")
        found = datetime.combine(day + timedelta(days=int(end)), time.min)
    return found if timezone.is_aware(found) else timezone.make_aware(found)


def _of_origins(origins: Collection[str]) -> Q:
    """Labels made here, or imported, from any of these."""
    chosen = _of_sets(origins, "task__origin")
    return chosen | Q(task__purpose=Purpose.TRAINING) if about.HERE in origins else chosen


def _of_sets(origins: Collection[str], path: str) -> Q:
    if about.IMPORTED in origins:
        return Q(**{f"{path}__isnull": False})
    return Q(**{f"{path}__of__name__in": [*origins]})


def _disputed(agreement: float) -> list[int]:
    """Tasks whose labelers agree on less than this share of the pairs that neither tied."""
    rankings = Ranking.objects.filter(excluded_at=None)
    several = rankings.order_by().values("task").annotate(n=Count("pk")).filter(n__gt=1)
    rows = (
        RankedCompletion.objects.filter(
            ranking__task__in=several.values("task"), ranking__excluded_at=None
        )
        .order_by("ranking__task", "ranking", "completion")
        .values_list("ranking__task", "ranking", "rank")
    )
    disputed = []
    for task, places in groupby(rows, itemgetter(0)):
        rankings_of_it = groupby(places, itemgetter(1))
        rate = among([[rank for *_, rank in ranks] for _, ranks in rankings_of_it]).rate
        if rate is not None and rate < agreement:
            disputed.append(task)
    return disputed


def _known(filters: Filters | None) -> Filters:
    for name in filters or {}:
        if name not in FILTERS:
            raise ValueError(f"Unknown filter {name!r}; known are {', '.join(FILTERS)}.")
    return filters or {}


_OF_LABELS: dict[str, Rule] = {
    "since": lambda value: Q(created_at__gte=moment(value)),
    "until": lambda value: Q(created_at__lt=moment(value, end=True)),
    "use_cases": lambda value: Q(prompt__use_case__in=value),
    "groups": lambda value: Q(group__in=value),
    "origins": _of_origins,
}
_OF_RANKINGS: dict[str, Rule] = {
    "policies": lambda value: Q(task__policy__name__in=value),
    "ranking_guidelines": lambda value: Q(guideline__version__in=value),
    "agreement": lambda value: ~Q(task__in=_disputed(value)),
}
_OF_DEMONSTRATIONS: dict[str, Rule] = {
    "demonstration_guidelines": lambda value: Q(guideline__version__in=value),
}
FILTERS = (*_OF_LABELS, *_OF_RANKINGS, *_OF_DEMONSTRATIONS)
