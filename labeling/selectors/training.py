"""Labels and prompts as plain rows for a snapshot, in a fixed order, read as a stream.

Every row says its split and whether its labeler is held out, so that the snapshot can leave out
what must not be trained on. Labels that were excluded, and labels of prompts that were withdrawn
or quarantined, are not among them. What filters there are stands in `filters`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labeling import few_shot
from labeling.models import Demonstration, LabelerProfile, Ranking
from labeling.selectors.filters import Filters, active_prompts, own_few_shot_prompts, usable

Row = dict[str, Any]

_CHUNK = 2000
_RELATED = ("prompt", "labeler__labeler")


def training_demonstrations(filters: Filters | None = None) -> Iterator[Row]:
    """`{id, split, messages, response, labeler, group}`; the labeler is a pseudonym."""
    rows = usable(Demonstration.objects.select_related(*_RELATED), filters)
    for row in rows.iterator(_CHUNK):
        yield {**_head(row), "response": row.text, **_labeler(row)}


def training_rankings(filters: Filters | None = None) -> Iterator[Row]:
    """`{id, split, messages, completions, ranks, labeler, group}`, in sampling order; 1 = best."""
    rows = usable(Ranking.objects.select_related(*_RELATED), filters)
    for row in rows.prefetch_related("ranked__completion").iterator(_CHUNK):
        ranked = sorted(row.ranked.all(), key=lambda place: place.completion.position)
        yield {
            **_head(row),
            "completions": [place.completion.text for place in ranked],
            "ranks": [place.rank for place in ranked],
            **_labeler(row),
        }


def prompts(filters: Filters | None = None) -> Iterator[Row]:
    """`{id, split, messages}` of every active prompt that the filters choose."""
    for row in active_prompts(filters).iterator(_CHUNK):
        yield {"id": str(row.pk), "split": row.split, "messages": row.messages}


def few_shot_examples(filters: Filters | None = None) -> Iterator[Row]:
    """The pairs of few-shot prompts that people wrote here, as further demonstrations.

    The id is the prompt's and the pair's number; a prompt always expands in the same way.
    """
    for prompt in own_few_shot_prompts(filters).iterator(_CHUNK):
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


def _head(row: Demonstration | Ranking) -> Row:
    return {"id": str(row.pk), "split": row.prompt.split, "messages": row.prompt.messages}


def _labeler(row: Demonstration | Ranking) -> Row:
    profile = getattr(row.labeler, "labeler", None)
    group = profile.group if profile else LabelerProfile.Group.TRAINING.value
    return {"labeler": str(row.labeler.pseudonym), "group": group}
