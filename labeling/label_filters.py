"""The one list of label filters, which snapshots, recipes, exports, forms and the API read.

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

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any, Literal, TypeVar

from django.db.models import Count, Q, QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from labeling.intake.labels import about
from labeling.models import (
    Demonstration,
    Guideline,
    LabelingTask,
    Prompt,
    RankedCompletion,
    Ranking,
    TaskKind,
    UseCase,
)
from labeling.models.guidelines import Purpose
from labeling.models.tasks import IMPORTED
from labeling.origins import origins
from labeling.people.agreement import among
from models_service.models import Kind, ModelVersion

Filters = Mapping[str, Any]
Label = TypeVar("Label", Demonstration, Ranking)

GROUPS = {"training": "Training labelers", "held_out": "Held-out labelers"}


@dataclass(frozen=True)
class LabelFilter:
    """One way to choose labels.

    Args:
        name: What a recipe calls it.
        title: Above its field.
        widget: How a form asks for it: a day, a share, or boxes of its options.
        fault: What is wrong with a value, "" if nothing.
        apply: The condition on the labels that a value chooses.
        of: The tables it is about; labels of others it leaves alone.
        options: Values to choose from, with words for each.
    """

    name: str
    title: str
    widget: Literal["day", "share", "boxes"]
    fault: Callable[[Any], str]
    apply: Callable[[Any], Q]
    of: tuple[type[Demonstration] | type[Ranking], ...]
    options: Callable[[], Iterable[tuple[Any, Any]]] | None = None


def clean(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The filters that say something, and what is wrong with values, by name.

    An empty value filters nothing; a name that is no filter is left out.
    """
    filters: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for name, value in values.items():
        if name in FILTERS and value not in (None, "", [], 0):
            value = value.isoformat() if isinstance(value, date) else value  # YAML's own days
            if fault := FILTERS[name].fault(value):
                errors[name] = fault
            filters[name] = value
    # By their days, which are the same in any time zone but at its edge.
    since, until = filters.get("since"), filters.get("until")
    if not errors and since and until and until[:10] < since[:10]:
        errors["until"] = "lies before since"
    return filters, errors


def usable(
    rows: QuerySet[Label],
    filters: Filters | None = None,
    purposes: Sequence[str] = (Purpose.TRAINING, IMPORTED),
) -> QuerySet[Label]:
    """Labels that may be trained on or measured with, and that the filters choose; those of
    evaluations by their purposes alone.

    Raises ValueError for a filter that does not exist.
    """
    chosen = Q(excluded_at=None, prompt__state=Prompt.State.ACTIVE)
    chosen &= Q(task__purpose__in=purposes)
    for name, value in _known(filters).items():
        if rows.model in FILTERS[name].of:
            chosen &= FILTERS[name].apply(value)
    return rows.filter(chosen).order_by("pk")


def active_prompts(filters: Filters | None = None) -> QuerySet[Prompt]:
    """Prompts to sample from: only the use cases matter, and where they come from."""
    chosen = _known(filters)
    rows = Prompt.objects.filter(state=Prompt.State.ACTIVE).order_by("pk")
    if wanted := chosen.get("origins"):
        here = Q(source=Prompt.Source.LABELS, _negated=True)
        tasks = LabelingTask.objects.filter(_of_sets(wanted, "origin"))
        came = ~here & Q(pk__in=tasks.values("prompt"))
        rows = rows.filter(here | came if about.HERE in wanted else came)
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
            rows = rows.filter(FILTERS[name].apply(chosen[name]))
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


def _of_origins(wanted: Collection[str]) -> Q:
    """Labels made here, or imported, from any of these."""
    chosen = _of_sets(wanted, "task__origin")
    made_here = Q(task__purpose__in=[Purpose.TRAINING, Purpose.EVALUATION])
    return chosen | made_here if about.HERE in wanted else chosen


def _of_sets(wanted: Collection[str], path: str) -> Q:
    if about.IMPORTED in wanted:
        return Q(**{f"{path}__isnull": False})
    return Q(**{f"{path}__of__name__in": [*wanted]})


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


def _fault_of_moment(value: Any) -> str:
    try:
        moment(value)
    except (TypeError, ValueError):
        return "must be a day or a moment, such as 2026-01-31 or 2026-01-31T12:00:00Z"
    return ""


def _fault_of_names(value: Any) -> str:
    good = isinstance(value, list) and all(isinstance(word, str) for word in value)
    return "" if good else "must be a list of names"


def _fault_of_groups(value: Any) -> str:
    if _fault_of_names(value) or not set(value) <= set(GROUPS):
        return f"must be a list of {', '.join(GROUPS)}"
    return ""


def _fault_of_versions(value: Any) -> str:
    good = isinstance(value, list) and all(type(number) is int for number in value)
    return "" if good else "must be a list of version numbers"


def _fault_of_share(value: Any) -> str:
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1
    return "" if good else "must be a share from 0 to 1"


def _guidelines(kind: TaskKind) -> Iterator[tuple[int, str]]:
    rows = Guideline.objects.filter(purpose=Purpose.TRAINING, kind=kind).order_by("-version")
    for version in rows.values_list("version", flat=True):
        yield version, f"Version {version}"


def _policies() -> Iterator[tuple[str, str]]:
    names = ModelVersion.objects.exclude(kind=Kind.REWARD).values_list("name", flat=True)
    return zip(names, names, strict=True)


_LABELS = (Demonstration, Ranking)
FILTERS: dict[str, LabelFilter] = {
    one.name: one
    for one in (
        LabelFilter(
            "since", "From", "day", _fault_of_moment,
            lambda value: Q(created_at__gte=moment(value)), _LABELS,
        ),
        LabelFilter(
            "until", "To, and that day too", "day", _fault_of_moment,
            lambda value: Q(created_at__lt=moment(value, end=True)), _LABELS,
        ),
        LabelFilter(
            "use_cases", "Use cases", "boxes", _fault_of_names,
            lambda value: Q(prompt__use_case__in=value), _LABELS, lambda: UseCase.choices,
        ),
        LabelFilter(
            "origins", "Where they come from", "boxes", _fault_of_names, _of_origins, _LABELS,
            origins,
        ),
        LabelFilter(
            "groups", "Labeler group", "boxes", _fault_of_groups,
            lambda value: Q(group__in=value), _LABELS, GROUPS.items,
        ),
        LabelFilter(
            "policies", "Answers of", "boxes", _fault_of_names,
            lambda value: Q(task__policy__name__in=value), (Ranking,), _policies,
        ),
        LabelFilter(
            "ranking_guidelines", "Guideline of rankings", "boxes", _fault_of_versions,
            lambda value: Q(guideline__version__in=value), (Ranking,),
            lambda: _guidelines(TaskKind.RANKING),
        ),
        LabelFilter(
            "demonstration_guidelines", "Guideline of demonstrations", "boxes",
            _fault_of_versions, lambda value: Q(guideline__version__in=value), (Demonstration,),
            lambda: _guidelines(TaskKind.DEMONSTRATION),
        ),
        LabelFilter(
            "agreement", "Labelers agree on at least this share of pairs", "share",
            _fault_of_share, lambda value: ~Q(task__in=_disputed(value)), (Ranking,),
        ),
    )
}  # fmt: skip
"""By name, in the order in which a form shows them."""
