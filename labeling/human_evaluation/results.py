"""What labelers said in evaluations, and rankings as a reward model's diagnosis needs them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet

from accounts.models import Role, User
from labeling.exports.training_rows import FINISHED, labeler_of
from labeling.models import (
    HeadToHead,
    LabelerProfile,
    LabelingTask,
    Prompt,
    RankedCompletion,
    Ranking,
    Slot,
)
from labeling.queues.open_slots import UNASKED
from models_service.models import ModelVersion


@dataclass(frozen=True)
class Progress:
    """Labels wanted and given, tasks that wait for completions, and tasks no model can answer."""

    labels: int
    given: int
    sampling: int
    broken: int

    @property
    def done(self) -> bool:
        """Whether nothing is to come any more."""
        return self.given >= self.labels and not self.sampling


@dataclass(frozen=True)
class Judged:
    """One completion as one labeler saw it; two of a `ranking` make a comparison.

    The labeler of an imported ranking is named SET/LABELER; its completions are of no version, and
    may have no rating.
    """

    ranking: int
    prompt: int
    use_case: str
    labeler: int | str
    group: str
    completion: int
    version: int | None
    rank: int
    overall: int | None
    flags: list[str]
    tokens: int
    finished: bool


def labelers_in(group: str) -> int:
    """How many active labelers there are in a group; those without a profile are in training."""
    people = User.objects.filter(role=Role.LABELER, is_active=True)
    held_out = people.filter(labeler__group=LabelerProfile.Group.HELD_OUT).count()
    return held_out if group == LabelerProfile.Group.HELD_OUT else people.count() - held_out


def progress(contest: HeadToHead) -> Progress:
    """How far the labels of an evaluation are."""
    given_up = Q(state=Slot.State.FREE, task__prompt__state__in=UNASKED)
    slots = (
        Slot.objects.filter(task__head_to_head=contest)
        .exclude(given_up)
        .aggregate(
            all=Count("pk", filter=~Q(state=Slot.State.CLOSED)),
            filled=Count("pk", filter=Q(state=Slot.State.FILLED)),
        )
    )
    tasks = contest.tasks.aggregate(
        sampling=Count("pk", filter=Q(state=LabelingTask.State.SAMPLING)),
        broken=Count("pk", filter=Q(state=LabelingTask.State.BROKEN)),
    )
    coming = tasks["sampling"] * contest.labels_each
    return Progress(slots["all"] + coming, slots["filled"], tasks["sampling"], tasks["broken"])


def held_up_by(contest: HeadToHead) -> str:
    """Why some of its tasks wait for completions, if a reason is known."""
    waiting = contest.tasks.filter(state=LabelingTask.State.SAMPLING).exclude(failure="")
    found = waiting.order_by("-sampling_since").first()
    return found.failure if found else ""


def ladder_of(contest: HeadToHead) -> list[ModelVersion]:
    """The versions from the foot up."""
    found = ModelVersion.objects.in_bulk(contest.ladder)
    return [found[pk] for pk in contest.ladder if pk in found]


def judged(contest: HeadToHead) -> list[Judged]:
    """Every completion that was ranked, by ranking, of the rankings that count."""
    return list(judged_in(usable_rankings().filter(task__head_to_head=contest)))


def usable_rankings() -> QuerySet[Ranking]:
    """Rankings that count: not excluded, of prompts that were not withdrawn or quarantined."""
    return Ranking.objects.filter(excluded_at=None, prompt__state=Prompt.State.ACTIVE)


def judged_in(rankings: QuerySet[Ranking]) -> Iterator[Judged]:
    """Every completion of these rankings, by ranking."""
    rows = RankedCompletion.objects.filter(ranking__in=rankings)
    values = rows.order_by("ranking", "completion__position").values_list(
        "ranking",
        "ranking__prompt",
        "ranking__prompt__use_case",
        "ranking__labeler",
        "ranking__task__origin__of__name",
        "ranking__task__origin__labeler",
        "ranking__group",
        "completion",
        "completion__version",
        "rank",
        "overall",
        "flags",
        "completion__completion_tokens",
        FINISHED,
    )
    for ranking, prompt, use_case, labeler, of, theirs, *rest in values.iterator(2000):
        who = labeler if of is None else labeler_of(None, of, theirs)
        yield Judged(ranking, prompt, use_case, who, *rest)
