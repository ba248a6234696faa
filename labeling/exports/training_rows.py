"""Labels and prompts as plain rows for a snapshot or an export, in a fixed order, in chunks.

Every row says its split and whether its labeler is held out, so that the snapshot can leave out
what must not be trained on. Labels that were excluded, and labels of prompts that were withdrawn
or quarantined, are not among them. What filters there are stands in `filters`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg, JSONBAgg
from django.db.models import BooleanField, ExpressionWrapper, Min, Q, QuerySet, TextField, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, Coalesce, NullIf

from labeling.intake import few_shot
from labeling.label_filters import Filters, active_prompts, own_few_shot_prompts, usable
from labeling.models import Completion, Demonstration, LabelerProfile, RankedCompletion, Ranking

Row = dict[str, Any]

_CHUNK = 2000
# Of a ranked completion: it ended by itself.
FINISHED = ExpressionWrapper(
    Q(completion__finish_reason=Completion.FINISHED), output_field=BooleanField()
)
_PLACES = {
    "completions": "completion__text",
    "finished": FINISHED,
    "ranks": "rank",
    "ratings": "overall",
    "flags": "flags",
    # Of an imported answer, who is said to have given it.
    "policies": Coalesce(
        "completion__version__name",
        KeyTextTransform("model", "completion__sampling"),
        output_field=TextField(),
    ),
}
_HEAD = {
    "split": "prompt__split",
    "messages": "prompt__messages",
    "use_case": "prompt__use_case",
    "guideline": "guideline__version",
    "active_seconds": "active_seconds",
    "created_at": "created_at",
    "pseudonym": "labeler__pseudonym",
    "group": "group",
    "set": "task__origin__of__name",
    "their_labeler": "task__origin__labeler",
}
# What an export says besides; `said` of an imported label is what its row said of itself.
_WHOLE = {
    "prompt_id": "prompt_id",
    "task_id": "task_id",
    "language": NullIf("prompt__language", Value("")),
    "topic": NullIf("prompt__topic", Value("")),
    "row_id": NullIf("task__origin__row", Value("")),
    "licence": NullIf("task__origin__of__licence", Value("")),
    "said": "task__origin__said",
}
# The same of each completion.
_WHOLE_PLACES = {
    "completion_ids": "completion_id",
    "versions": "completion__version_id",
    "finish_reasons": "completion__finish_reason",
    "sampling": Cast("completion__sampling", TextField()),
    "seeds": "completion__seed",
}


def training_demonstrations(filters: Filters | None = None) -> Iterator[Row]:
    """`{id, split, messages, response, labeler, group}`; the labeler is a pseudonym."""
    names = ("id", "split", "messages", "response", "labeler", "group")
    rows = demonstrations(usable(Demonstration.objects.all(), filters))
    return (_only(names, row) for row in rows)


def training_rankings(filters: Filters | None = None) -> Iterator[Row]:
    """`{id, split, messages, completions, finished, ranks, labeler, group}`, in sampling order;
    1 = best. A completion that is not finished was cut, and has no end to be read at."""
    names = ("id", "split", "messages", "completions", "finished", "ranks", "labeler", "group")
    rows = rankings(usable(Ranking.objects.all(), filters))
    return (_only(names, row) for row in rows)


def demonstrations(found: QuerySet[Demonstration]) -> Iterator[Row]:
    """What `training_demonstrations` gives, with use case, guideline version, time and date."""
    for chunk in _chunks(found, {"response": "text"}):
        yield from chunk


def whole_demonstrations(found: QuerySet[Demonstration]) -> Iterator[Row]:
    """What `demonstrations` gives with all that is known of where it comes from."""
    for chunk in _chunks(found, {"response": "text", **_WHOLE}):
        rounds = _rounds(Demonstration.objects.all(), chunk)
        for row in chunk:
            yield row | {"round": rounds.get(int(row["id"]))}


def rankings(found: QuerySet[Ranking]) -> Iterator[Row]:
    """What `training_rankings` gives, with use case, guideline and form version, time and date,
    and of each completion its rating (1 to 7), its flags and who answered."""
    for chunk in _chunks(found, {"form": "form__version"}):
        places = _places([int(row["id"]) for row in chunk], _PLACES)
        for row in chunk:
            yield row | places[int(row["id"])]


def whole_rankings(found: QuerySet[Ranking]) -> Iterator[Row]:
    """What `rankings` gives with all that is known of where it comes from: of each completion its
    id, version, sampling and `shown`, its place on the labeler's page from 1."""
    own = {
        "form": "form__version",
        "order": Cast("display_order", TextField()),
        "evaluation": "task__head_to_head_id",
    }
    for chunk in _chunks(found, {**own, **_WHOLE}):
        places = _places([int(row["id"]) for row in chunk], {**_PLACES, **_WHOLE_PLACES})
        rounds = _rounds(Ranking.objects.all(), chunk)
        for row in chunk:
            number = int(row["id"])
            row.update(places[number])
            shown = {pk: place for place, pk in enumerate(json.loads(row.pop("order")), start=1)}
            row["shown"] = [shown.get(pk) for pk in row["completion_ids"]]
            row["round"] = rounds.get(number)
            yield row


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


def _chunks(found: QuerySet[Any], own: Mapping[str, Any]) -> Iterator[list[Row]]:
    """The labels by id, a few at a time, without a cursor that has to be kept open.

    Each time from among so many of the table: the planner takes the filters for much narrower than
    they are, and would work through all the rest of it for every chunk.
    """
    columns, last = {**_HEAD, **own}, 0
    numbers = found.model._default_manager.order_by("pk").values_list("pk", flat=True)
    while among := list(numbers.filter(pk__gt=last)[:_CHUNK]):
        rows = found.order_by("pk").filter(pk__gt=last, pk__lte=among[-1])
        last = among[-1]
        yield [
            _row(pk, dict(zip(columns, values, strict=True)))
            for pk, *values in rows.values_list("pk", *columns.values())
        ]


def _row(pk: int, row: Row) -> Row:
    labeler = labeler_of(row.pop("pseudonym"), row["set"], row.pop("their_labeler"))
    return {"id": str(pk), **row, "labeler": labeler}


def labeler_of(pseudonym: Any, label_set: str | None, labeler: str | None) -> str:
    """Who gave a label: the account's pseudonym, or of an imported one SET/LABELER. All whom a set
    does not tell apart are one."""
    return f"{label_set}/{labeler}" if label_set is not None else str(pseudonym)


def _rounds(labels: QuerySet[Any], chunk: list[Row]) -> dict[int, int]:
    """The first round that each of these labels was frozen for; of those that no round has yet,
    none."""
    path = "snapshots__snapshot__rounds"
    rows = labels.filter(pk__in=[int(row["id"]) for row in chunk], **{f"{path}__isnull": False})
    return dict(rows.order_by().values_list("pk").annotate(first=Min(path)))


def _places(rankings: list[int], columns: Mapping[str, Any]) -> dict[int, Row]:
    """What the columns name of each ranking's completions, in sampling order.

    Put into lists by the database: one row a ranking costs a fraction of one row a completion.
    """
    rows = RankedCompletion.objects.filter(ranking__in=rankings).order_by()
    lists = {
        f"all_{name}": (JSONBAgg if column == "flags" else ArrayAgg)(
            column, order_by="completion__position"
        )
        for name, column in columns.items()
    }
    return {
        ranking: dict(zip(columns, found, strict=True))
        for ranking, *found in rows.values_list("ranking_id").annotate(**lists)
    }


def _only(names: tuple[str, ...], row: Row) -> Row:
    return {name: row[name] for name in names}
