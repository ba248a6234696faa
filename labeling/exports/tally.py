"""How many labels there are, by split, use case and labeler: counted in the database, not read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, F, Func, IntegerField, QuerySet, Sum

from labeling.exports.training_rows import labeler_of
from labeling.label_filters import Filters, active_prompts, own_few_shot_prompts, usable
from labeling.models import Demonstration, LabelerProfile, RankedCompletion, Ranking
from labeling.models.prompts import Split

_WHO = ("labeler__pseudonym", "task__origin__of__name", "task__origin__labeler")


@dataclass(frozen=True)
class Tally:
    """So many labels of one kind (demonstration, ranking, prompt) that have all this in common."""

    kind: str
    split: str
    use_case: str
    labeler: str
    group: str
    count: int


def tally(filters: Filters | None = None) -> Iterator[Tally]:
    """The rows of `training` counted; prompts have no labeler. Raises ValueError."""
    for kind, rows in (("demonstration", Demonstration.objects), ("ranking", Ranking.objects)):
        yield from _of_labels(kind, usable(rows.all(), filters))
    training = LabelerProfile.Group.TRAINING.value
    pairs = Func("examples", function="jsonb_array_length", output_field=IntegerField())
    written = own_few_shot_prompts(filters).order_by()
    for split, use_case, author, count in written.values_list(
        "split", "use_case", "author"
    ).annotate(count=Sum(pairs)):
        yield Tally("demonstration", split, use_case, author, training, count or 0)
    prompts = active_prompts(filters).order_by().values_list("split", "use_case")
    for split, use_case, count in prompts.annotate(count=Count("pk")):
        yield Tally("prompt", split, use_case, "", training, count)


def count_comparisons(filters: Filters | None = None) -> int:
    """Pairs of completions that the training rankings do not tie, held-out labelers' apart."""
    better = RankedCompletion.objects.filter(ranking__in=_trained_on(filters))
    return better.filter(ranking__ranked__rank__gt=F("rank")).count()


def rankings_by_size(filters: Filters | None = None) -> dict[int, int]:
    """How many training rankings there are of each K, held-out labelers' apart."""
    sized = _trained_on(filters).annotate(size=Count("ranked")).values_list("size", flat=True)
    return dict(sorted(Counter(sized).items()))


def _trained_on(filters: Filters | None) -> QuerySet[Ranking]:
    rankings = usable(Ranking.objects.filter(prompt__split=Split.TRAIN), filters)
    return rankings.exclude(group=LabelerProfile.Group.HELD_OUT).order_by()


def _of_labels(kind: str, rows: QuerySet[Any]) -> Iterator[Tally]:
    common = ("prompt__split", "prompt__use_case", "group", *_WHO)
    counted = rows.order_by().values_list(*common).annotate(count=Count("pk"))
    for split, use_case, group, *who, count in counted:
        yield Tally(kind, split, use_case, labeler_of(*who), group, count)
