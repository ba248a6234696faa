"""Erasing a person from the labels: their texts go, the figures stay without them.

Prompts and labels are written once and never changed. This is the one exception, because a person
may ask to be forgotten: what they wrote, and what models and other people wrote in answer to it,
is overwritten; ranks, ratings, times and states stay for the statistics.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from typing import Any

from django.db import transaction
from django.db.models import CharField, Q, QuerySet, Value
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Coalesce, Concat, Now

from accounts.models import User
from labeling.models import (
    Assignment,
    BulkChange,
    Completion,
    Demonstration,
    Import,
    LabelerProfile,
    LabelingTask,
    LabelOrigin,
    Prompt,
    Ranking,
    RejectedRow,
    Report,
    Review,
    Slot,
    StagedPrompt,
)
from labeling.states import Assignments, Imports, Slots, Tasks

ERASED = "[erased]"
REASON = "Erased on request."


@dataclass(frozen=True)
class Held:
    """Ids of the rows that hold something of a person, a list a table."""

    prompts: list[int]
    tasks: list[int]
    completions: list[int]
    demonstrations: list[int]
    rankings: list[int]
    drafts: list[int]
    reports: list[int]
    reviews: list[int]
    staged: list[int]
    origins: list[int]

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) for field in fields(self))


def held_of(*, account: User | None, authors: Collection[str]) -> Held:
    """What prompts by these authors and labels by this account consist of.

    Of an imported set people are called SET/NAME, its authors as well as its labelers.
    """
    prompts = _ids(Prompt.objects.filter(author__in=authors))
    tasks = _ids(LabelingTask.objects.filter(prompt__in=prompts))
    named = Concat("of__name", Value("/"), "labeler", output_field=CharField())
    given = LabelOrigin.objects.exclude(labeler="").alias(person=named).filter(person__in=authors)
    labels = Q(prompt__in=prompts) | Q(task__origin__in=given.values("pk"))
    labels |= Q(labeler=account, labeler__isnull=False)
    drafts = Q(task__in=tasks) | Q(labeler=account) if account else Q(task__in=tasks)
    assignments = _ids(Assignment.objects.filter(drafts))
    return Held(
        prompts=prompts,
        tasks=tasks,
        completions=_ids(Completion.objects.filter(task__in=tasks)),
        demonstrations=_ids(Demonstration.objects.filter(labels)),
        rankings=_ids(Ranking.objects.filter(labels)),
        drafts=assignments,
        reports=_ids(Report.objects.filter(assignment__in=assignments)),
        reviews=_ids(Review.objects.filter(assignment__in=assignments)),
        staged=_ids(_staged(authors)),
        origins=sorted({*_ids(given), *_ids(LabelOrigin.objects.filter(task__in=tasks))}),
    )


@transaction.atomic
def destroy(*, held: Held, account: User | None) -> None:
    """Overwrite the texts of these rows; may be done again."""
    _end_work(held, account)
    _end_imports()
    _destroy_prompts(held.prompts)
    _forget_changes({*held.prompts}, {*held.tasks})
    Completion.objects.filter(pk__in=held.completions).update(text="")
    LabelingTask.objects.filter(pk__in=held.tasks).update(failure="")
    excluded: dict[str, Any] = {
        "excluded_at": Coalesce("excluded_at", Now()),
        "excluded_reason": REASON,
    }
    Demonstration.objects.filter(pk__in=held.demonstrations).update(text="", **excluded)
    Ranking.objects.filter(pk__in=held.rankings).update(**excluded)
    Assignment.objects.filter(pk__in=held.drafts).update(
        draft={}, release_reason="", submission_hash=""
    )
    Report.objects.filter(pk__in=held.reports).update(text=ERASED, answer="")
    Review.objects.filter(pk__in=held.reviews).update(text=ERASED)
    LabelerProfile.objects.filter(user=account).update(declined_topics=[])
    # The digest of a short text can be guessed.
    LabelOrigin.objects.filter(pk__in=held.origins).update(
        row="", labeler="", said={}, digest=Concat(Value("erased-"), Cast("pk", CharField()))
    )


def _destroy_prompts(prompts: list[int]) -> None:
    number = Cast("pk", CharField())
    Prompt.objects.filter(pk__in=prompts).update(
        messages=[{"role": "user", "content": ERASED}],
        instruction="",
        examples=[],
        topic="",
        author="",
        organisation="",
        state=Prompt.State.WITHDRAWN,
        # A hash of a short text can be guessed.
        fingerprint=Concat(Value("erased-"), number, output_field=CharField()),
        prefix_fingerprint="",
        bands=[],
        spans=[],
    )


def _forget_changes(prompts: set[int], tasks: set[int]) -> None:
    """Undoing a bulk change must not bring erased prompts or their tasks back."""
    for change in BulkChange.objects.filter(undone_at=None).select_for_update():
        gone = prompts if change.table == BulkChange.Table.PROMPT else tasks
        change.before = {
            old: [pk for pk in ids if pk not in gone] for old, ids in change.before.items()
        }
        change.expired = [pk for pk in change.expired if pk not in tasks]
        change.save(update_fields=["before", "expired"])


def _end_work(held: Held, account: User | None) -> None:
    """Nobody goes on with what is erased: whoever has it open is told that the task is over."""
    ended = Assignment.objects.filter(pk__in=held.drafts).order_by("pk")
    list(ended.select_for_update().values_list("pk"))
    Assignments.release.apply(ended, ended_at=Now())
    slots = Slot.objects.filter(Q(task__in=held.tasks) | Q(labeler=account, labeler__isnull=False))
    Slots.free.apply(slots, labeler=None, lease_expires_at=None)
    tasks = LabelingTask.objects.filter(pk__in=held.tasks)
    Tasks.expire.apply(tasks)
    Slots.close.apply(Slot.objects.filter(task__in=held.tasks))


def _staged(authors: Collection[str]) -> QuerySet[StagedPrompt]:
    """Rows by these authors in imports under way, and labels by these labelers."""
    labeler = Concat(KT("label__of"), Value("/"), KT("label__labeler"), output_field=CharField())
    theirs = Q(examined__row__author__in=authors) | Q(labeler__in=authors)
    return StagedPrompt.objects.alias(labeler=labeler).filter(theirs, of__ended_at=None)


def _end_imports() -> None:
    """End every import under way: which lines of a file are the person's is not worth a search,
    since it can be sent again. `uploads.sweep` takes away files and staged rows."""
    Imports.cancel.apply(Import.objects.all(), ended_at=Now())
    RejectedRow.objects.exclude(text="").update(text="")


def _ids(rows: Any) -> list[int]:
    return list(rows.order_by("pk").values_list("pk", flat=True))
