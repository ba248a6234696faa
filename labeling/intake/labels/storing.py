"""Staged labels → prompts, origins, tasks, completions and labels, a thousand at a time.

Each label gets a task of its own that nobody is asked; completions that nobody ranked yet get one
that is open. All that a label consists of is numbered first and then copied in, which takes a tenth
of the time of one row after the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from core.db.copying import copy_in, next_ids
from core.db.many_values import is_one_of
from labeling.intake import prompts
from labeling.intake.cleaning import Examined
from labeling.models import (
    Completion,
    Demonstration,
    Import,
    LabelerProfile,
    LabelingTask,
    LabelOrigin,
    LabelSet,
    Queue,
    RankedCompletion,
    Ranking,
    Slot,
    TaskKind,
)
from labeling.models.guidelines import Purpose
from labeling.models.tasks import CUT, IMPORTED, IMPORTED_EVALUATION

Row = dict[str, Any]


@dataclass
class Added:
    """What became of the labels; `known` were here, `prompts` and `quarantined` are new prompts."""

    demonstrations: int = 0
    rankings: int = 0
    completions: int = 0
    known: int = 0
    prompts: int = 0
    quarantined: int = 0

    @property
    def taken(self) -> int:
        """How many labels were looked at."""
        return self.demonstrations + self.rankings + self.completions + self.known


@dataclass(frozen=True)
class _Placed:
    """A staged label with the numbers of its rows to be."""

    line: int
    prompt: int
    asked: Examined
    told: Row
    origin: int
    task: int

    @property
    def is_label(self) -> bool:
        return self.told["kind"] != "completions"


def take(rows: Sequence[tuple[int, Examined, Row]], result: Added, *, imported: Import) -> None:
    """Store one batch, and count in `result` what became of it."""
    fresh = list(_fresh(rows, imported, result))
    ids = _prompts(fresh, result)
    origins, tasks = next_ids(LabelOrigin, len(fresh)), next_ids(LabelingTask, len(fresh))
    placed = [
        _Placed(line, ids[asked.marks.fingerprint], asked, told, origin, task)
        for (line, asked, told), origin, task in zip(fresh, origins, tasks, strict=True)
    ]
    copy_in(LabelOrigin, list(_origins(placed, imported)))
    copy_in(LabelingTask, list(map(_task, placed)))
    copy_in(Slot, list(_slots(placed)))
    _answers(placed)
    for one in placed:
        kind = one.told["kind"]
        name = kind if kind == "completions" else f"{kind}s"
        setattr(result, name, getattr(result, name) + 1)


def _fresh(
    rows: Sequence[tuple[int, Examined, Row]], imported: Import, result: Added
) -> Iterator[tuple[int, Examined, Row]]:
    """Without labels that an earlier import of the same set brought."""
    digests = [told["digest"] for _, _, told in rows]
    earlier = LabelOrigin.objects.exclude(imported=imported).filter(is_one_of("digest", digests))
    known = set(earlier.values_list("digest", flat=True))
    for row in rows:
        if row[2]["digest"] in known:
            result.known += 1
        else:
            yield row


def _prompts(rows: Iterable[tuple[int, Examined, Row]], result: Added) -> dict[str, int]:
    """The numbers of the prompts by their fingerprints."""
    wanted: dict[str, tuple[Examined, str]] = {}
    for _, asked, told in rows:
        wanted.setdefault(asked.marks.fingerprint, (asked, told["split"]))
    ids, new = prompts.placed(list(wanted.values()))
    result.prompts += len(new)
    result.quarantined += sum(bool(one.spans) for one in new)
    return ids


def _origins(placed: Iterable[_Placed], imported: Import) -> Iterator[Row]:
    sets: dict[tuple[str, str], int] = {}
    for one in placed:
        name = one.told["of"], one.told["licence"]
        if name not in sets:
            sets[name] = LabelSet.objects.get_or_create(name=name[0], licence=name[1])[0].pk
        yield {
            "id": one.origin,
            "of_id": sets[name],
            "imported_id": imported.pk,
            "form": one.told["form"],
            "row": one.told["id"],
            "line": one.line,
            "labeler": one.told["labeler"],
            "at": one.told["at"] or None,
            "said": one.told["said"],
            "digest": one.told["digest"],
        }


def _task(one: _Placed) -> Row:
    of_people = one.told["kind"] == "demonstration"
    measured = one.told["said"].get("purpose") == Purpose.EVALUATION
    came = IMPORTED_EVALUATION if measured else IMPORTED
    return {
        "id": one.task,
        "kind": TaskKind.DEMONSTRATION if of_people else TaskKind.RANKING,
        "purpose": came if one.is_label else Purpose.TRAINING,
        "prompt_id": one.prompt,
        "state": LabelingTask.State.OPEN,
        "completions_wanted": 0 if of_people else len(one.told["answers"]),
        "origin_id": one.origin,
    }


def _slots(placed: Iterable[_Placed]) -> Iterator[Row]:
    """Of completions that are to be ranked, as many as the queue wants."""
    wanted = [one for one in placed if not one.is_label]
    if not wanted:
        return
    queue = Queue.objects.filter(kind=TaskKind.RANKING, purpose=Purpose.TRAINING).first()
    for one in wanted:
        for number in range(1, (queue.overlap if queue else 1) + 1):
            yield {
                "task_id": one.task,
                "number": number,
                "kind": TaskKind.RANKING,
                "purpose": Purpose.TRAINING,
                "topic": one.asked.row.topic,
                "split": one.told["split"],
            }


def _answers(placed: Sequence[_Placed]) -> None:
    """Demonstrations, or completions with the rankings of them."""
    written = [one for one in placed if one.told["kind"] == "demonstration"]
    listed = [one for one in placed if one.told["kind"] != "demonstration"]
    copy_in(
        Demonstration, [_label(one) | {"text": one.told["answers"][0]["text"]} for one in written]
    )
    ranked = [one for one in listed if one.told["kind"] == "ranking"]
    rankings = dict(zip((one.task for one in ranked), next_ids(Ranking, len(ranked)), strict=True))
    numbers = iter(next_ids(Completion, sum(len(one.told["answers"]) for one in listed)))
    completions, places = [], []
    for one in listed:
        for position, answer in enumerate(one.told["answers"]):
            number = next(numbers)
            completions.append(_completion(one.task, number, position, answer))
            if one.task in rankings:
                places.append(
                    {
                        "ranking_id": rankings[one.task],
                        "completion_id": number,
                        "rank": answer["rank"],
                        "overall": answer["rating"],
                        "flags": answer["flags"],
                    }
                )
    copy_in(Completion, completions)
    copy_in(Ranking, [_label(one) | {"id": rankings[one.task]} for one in ranked])
    copy_in(RankedCompletion, places)


def _label(one: _Placed) -> Row:
    at = one.told["at"] and parse_datetime(one.told["at"])
    return {
        "task_id": one.task,
        "prompt_id": one.prompt,
        "active_seconds": one.told["said"].get("active_seconds") or 0,
        "group": one.told["said"].get("group") or LabelerProfile.Group.TRAINING.value,
        "created_at": at or timezone.now(),
    }


def _completion(task: int, number: int, position: int, answer: Row) -> Row:
    return {
        "id": number,
        "task_id": task,
        "position": position,
        "text": answer["text"],
        "sampling": {"engine": "import", "model": answer["model"]},
        "seed": 0,
        "finish_reason": Completion.FINISHED if answer["finished"] else CUT,
        "prompt_tokens": 0,
        "completion_tokens": 0,
    }
