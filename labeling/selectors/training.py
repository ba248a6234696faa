"""Labels and prompts as plain rows for a snapshot, in a fixed order, read as a stream.

Every row says its split and whether its labeler is held out, so that the snapshot can leave out
what must not be trained on. Labels that were excluded, and labels of prompts that were withdrawn
or quarantined, are not among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from django.db.models import QuerySet
from django.utils.dateparse import parse_datetime

from labeling import few_shot
from labeling.models import Demonstration, LabelerProfile, Prompt, Ranking
from labeling.models.guidelines import Purpose

Row = dict[str, Any]
Label = TypeVar("Label", Demonstration, Ranking)

_CHUNK = 2000
_FILTERS = {
    "since": lambda value: {"created_at__gte": parse_datetime(value)},
    "until": lambda value: {"created_at__lt": parse_datetime(value)},
    "use_cases": lambda value: {"prompt__use_case__in": value},
    "policies": lambda value: {"task__policy__in": value},
}
"""since, until: ISO moments; use_cases: a list of names; policies: ids of model versions, which
only rankings have."""


def training_demonstrations(filters: Mapping[str, Any] | None = None) -> Iterator[Row]:
    """`{id, split, messages, response, labeler, group}`; the labeler is a pseudonym."""
    for row in _labels(Demonstration.objects.all(), filters).iterator(_CHUNK):
        yield {**_head(row), "response": row.text, **_labeler(row)}


def training_rankings(filters: Mapping[str, Any] | None = None) -> Iterator[Row]:
    """`{id, split, messages, completions, ranks, labeler, group}`, in sampling order; 1 = best."""
    rows = _labels(Ranking.objects.all(), filters)
    for row in rows.prefetch_related("ranked__completion").iterator(_CHUNK):
        ranked = sorted(row.ranked.all(), key=lambda place: place.completion.position)
        yield {
            **_head(row),
            "completions": [place.completion.text for place in ranked],
            "ranks": [place.rank for place in ranked],
            **_labeler(row),
        }


def prompts(*, split: str | None = None) -> Iterator[Row]:
    """`{id, split, messages}` of every active prompt, of one split or of all."""
    rows = Prompt.objects.filter(state=Prompt.State.ACTIVE).order_by("pk")
    for row in (rows.filter(split=split) if split else rows).iterator(_CHUNK):
        yield {"id": str(row.pk), "split": row.split, "messages": row.messages}


def few_shot_examples() -> Iterator[Row]:
    """The pairs of few-shot prompts that people wrote here, as further demonstrations.

    The id is the prompt's and the pair's number; a prompt always expands in the same way.
    """
    own = Prompt.objects.filter(
        state=Prompt.State.ACTIVE,
        kind=Prompt.Kind.FEW_SHOT,
        source__in=[Prompt.Source.LABELER, Prompt.Source.DEMO],
    )
    for prompt in own.order_by("pk").iterator(_CHUNK):
        pairs = few_shot.expanded(prompt.instruction, prompt.examples, seed=prompt.pk)
        for number, (text, response) in enumerate(pairs):
            yield {
                "id": f"{prompt.pk}-{number}",
                "split": prompt.split,
                "messages": [{"role": "user", "content": text}],
                "response": response,
                "labeler": prompt.author,
                "group": LabelerProfile.Group.TRAINING.value,
            }


def _labels(rows: QuerySet[Label], filters: Mapping[str, Any] | None) -> QuerySet[Label]:
    chosen: Row = {}
    for name, value in (filters or {}).items():
        if name not in _FILTERS:
            raise ValueError(f"Unknown filter {name!r}; known are {', '.join(_FILTERS)}.")
        chosen |= _FILTERS[name](value)
    return (
        rows.filter(
            excluded_at=None,
            prompt__state=Prompt.State.ACTIVE,
            task__purpose=Purpose.TRAINING,
            **chosen,
        )
        .select_related("prompt", "labeler__labeler")
        .order_by("pk")
    )


def _head(row: Demonstration | Ranking) -> Row:
    return {"id": str(row.pk), "split": row.prompt.split, "messages": row.prompt.messages}


def _labeler(row: Demonstration | Ranking) -> Row:
    profile = getattr(row.labeler, "labeler", None)
    group = profile.group if profile else LabelerProfile.Group.TRAINING.value
    return {"labeler": str(row.labeler.pseudonym), "group": group}
