"""Reviewing labels: commenting, sending back, excluding, restoring, adjudicating.

A label is never changed or deleted. Excluded, it stays with the reason and the name of whoever
excluded it, enters no snapshot and no export, and can be restored.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts.audit import Act, record
from accounts.models import User
from core.problems import Problem, refuse
from labeling.models import (
    Assignment,
    Completion,
    Demonstration,
    LabelingTask,
    RankedCompletion,
    Ranking,
    Review,
    Slot,
)
from labeling.people.disagreement import measure_afresh
from labeling.people.erasure import REASON as ERASED
from labeling.states import Assignments, Slots
from labeling.work.preferences import ranks_of

Label = Demonstration | Ranking

# A labeler who works two days a week still finds the task there.
SENT_BACK_FOR = timedelta(days=7)
_LONGEST = 2000


@transaction.atomic
def comment(*, label: Label, text: str, by: User) -> Review:
    """Tell the labeler something about the label. Raises Problem."""
    review = _tell(label, Review.Kind.COMMENT, text, by)
    record(act=Act.LABEL_COMMENTED, by=by, target=label)
    return review


@transaction.atomic
def send_back(*, label: Label, text: str, by: User) -> Review:
    """Let the labeler do it again, beginning with what was submitted; the label is excluded.

    The labeler has a week; then the task is open to others, the draft kept. Raises Problem when
    the label does not count any more or its slot is gone.
    """
    review = _tell(label, Review.Kind.SENT_BACK, text, by)
    _exclude(label, f"Sent back: {text}", by)
    end = timezone.now() + SENT_BACK_FOR
    mine = Assignment.objects.filter(pk=review.assignment_id)
    slots = Slot.objects.filter(task=label.task_id, labeler=label.labeler_id)
    again = {"lease_expires_at": end, "ended_at": None}
    if not Slots.reopen.apply(slots, lease_expires_at=end) or not Assignments.reopen.apply(
        mine, **again
    ):
        raise Problem(409, "Its task is open or closed already, so it cannot be sent back.")
    _forget(label)
    record(act=Act.LABEL_SENT_BACK, by=by, target=label)
    return review


@transaction.atomic
def exclude(*, label: Label, reason: str, by: User) -> None:
    """Take the label out of the data. Raises Problem without a reason, and when it is out."""
    _require("reason", reason)
    _exclude(label, reason, by)
    _forget(label)
    record(act=Act.LABEL_EXCLUDED, by=by, target=label, detail={"reason": reason})


@transaction.atomic
def restore(*, label: Label, by: User) -> None:
    """Let an excluded label count again; one that was sent back is taken back from its labeler.

    Raises Problem when it counts already, when it was erased on request, or when another one has
    taken its place.
    """
    rows = type(label).objects.select_for_update(of=("self",))
    locked: Label = rows.get(pk=label.pk)
    if locked.excluded_at is None:
        raise Problem(409, "This label counts already.")
    if locked.excluded_reason == ERASED:
        raise Problem(409, "What it said was erased on request, so there is nothing to restore.")
    if type(label).objects.filter(supersedes=label.pk).exists():
        raise Problem(409, "Its labeler put another one in its place, so it cannot be restored.")
    _take_back(locked)
    values = {"excluded_at": None, "excluded_reason": "", "excluded_by": None}
    if isinstance(locked, Ranking):
        values["adjudicated_by"] = None
    type(label).objects.filter(pk=label.pk).update(**values)
    _forget(label)
    record(act=Act.LABEL_RESTORED, by=by, target=label)


@transaction.atomic
def adjudicate(*, task: LabelingTask, chosen: Ranking, by: User) -> None:
    """Let one ranking of a task stand in the place of the others. Raises Problem."""
    others = Ranking.objects.filter(task=task, excluded_at=None).exclude(pk=chosen.pk)
    if chosen.task_id != task.pk or chosen.excluded_at is not None:
        raise Problem(409, "That ranking does not count, so it cannot stand for the others.")
    ids = list(others.values_list("pk", flat=True))
    if not ids:
        raise Problem(409, "There is only one ranking that counts, so nothing is to be decided.")
    others.update(
        excluded_at=timezone.now(),
        excluded_by=by,
        excluded_reason=f"Adjudicated: ranking {chosen.pk} stands in its place.",
        adjudicated_by=chosen,
    )
    measure_afresh(task.pk)
    detail = {"stands": chosen.pk, "excluded": ids}
    record(act=Act.RANKINGS_ADJUDICATED, by=by, target=task, detail=detail)


@transaction.atomic
def write_adjudicated(*, task: LabelingTask, tiers: Sequence[Sequence[int]], by: User) -> Ranking:
    """Rank the task's completions oneself, best first, and let that stand for the others.

    Each completion is rated as the median of what its rankers said. Raises Problem.
    """
    ids = sorted(Completion.objects.filter(task=task).values_list("pk", flat=True))
    if sorted(item for tier in tiers for item in tier) != ids or not all(tiers):
        sentence = "Place every completion once, the best first."
        refuse("tiers", sentence)
    model = Ranking.objects.filter(task=task, excluded_at=None).order_by("pk").first()
    if model is None:
        raise Problem(409, "No ranking of this task counts, so nothing is to be decided.")
    ranks = ranks_of([[str(item) for item in tier] for tier in tiers])
    rated = _median_ratings(task)
    ranking = Ranking.objects.create(
        task=task,
        labeler=by,
        prompt_id=model.prompt_id,
        guideline_id=model.guideline_id,
        form_id=model.form_id,
        display_order=ids,
    )
    RankedCompletion.objects.bulk_create(
        RankedCompletion(ranking=ranking, completion_id=pk, rank=ranks[str(pk)], overall=rated[pk])
        for pk in ids
    )
    adjudicate(task=task, chosen=ranking, by=by)
    return ranking


@transaction.atomic
def mark_seen(*, labeler: User) -> int:
    """The labeler has read what the admin said; returns how many were new."""
    unseen = Review.objects.filter(assignment__labeler=labeler, seen_at=None)
    return unseen.update(seen_at=timezone.now())


def _tell(label: Label, kind: str, text: str, by: User) -> Review:
    _require("text", text)
    if label.assignment_id is None:
        raise Problem(409, "Nobody was asked for this label, so there is nobody to tell.")
    return Review.objects.create(assignment_id=label.assignment_id, kind=kind, text=text, by=by)


def _require(name: str, text: str) -> None:
    sentence = "Say why." if not text.strip() else f"Write at most {_LONGEST:,} characters."
    if not text.strip() or len(text) > _LONGEST:
        refuse(name, sentence)


def _exclude(label: Label, reason: str, by: User) -> None:
    values = {"excluded_at": timezone.now(), "excluded_reason": reason[:400], "excluded_by": by}
    counting = type(label).objects.filter(pk=label.pk, excluded_at=None)
    if not counting.update(**values):
        raise Problem(409, "This label was taken out of the data already.")


def _take_back(label: Label) -> None:
    """Where the label was sent back and not done again: the slot is filled with it once more."""
    if label.assignment_id is None:
        return
    sent = Assignment.objects.filter(pk=label.assignment_id).exclude(
        state=Assignment.State.SUBMITTED
    )
    if not sent.exists():
        return
    slots = Slot.objects.filter(task=label.task_id)
    mine = slots.filter(labeler=label.labeler_id) or slots.filter(state=Slot.State.FREE)
    one = Slot.objects.filter(pk__in=list(mine.values_list("pk", flat=True)[:1]))
    kept = Slots.fill.apply(one, labeler=label.labeler_id, lease_expires_at=None)
    values = {"ended_at": label.created_at, "draft_version": F("draft_version") + 1}
    if not kept or not Assignments.recall.apply(sent, **values):
        raise Problem(409, "Somebody else labels this task now, so the label cannot be restored.")


def _median_ratings(task: LabelingTask) -> dict[int, int]:
    rows = RankedCompletion.objects.filter(
        ranking__task=task, ranking__excluded_at=None, overall__isnull=False
    )
    ratings: dict[int, list[int]] = {}
    for completion, overall in rows.values_list("completion", "overall"):
        ratings.setdefault(completion, []).append(overall or 0)
    return {pk: sorted(given)[len(given) // 2] for pk, given in ratings.items()}


def _forget(label: Label) -> None:
    """What was derived from the label is derived anew."""
    if isinstance(label, Ranking):
        measure_afresh(label.task_id)
