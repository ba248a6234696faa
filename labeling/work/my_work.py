"""What a labeler has submitted: the list, searchable, and what they wrote lately."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import User
from labeling.models import Assignment, Demonstration, Prompt, Ranking, TaskKind
from labeling.task_kinds import TASK_KINDS


def submitted(labeler: User, *, words: str = "", kind: str = "") -> QuerySet[Assignment]:
    """The labeler's labels, the newest first, each with `amended`.

    Every one of the `words` stands in the prompt or in the demonstration.
    """
    rows = Assignment.objects.filter(labeler=labeler, state=Assignment.State.SUBMITTED)
    if kind in TASK_KINDS:
        rows = rows.filter(task__kind=kind)
    for word in words.split():
        rows = rows.filter(_says(word))
    rows = rows.annotate(amended=_follows(Ranking) | _follows(Demonstration) | _rewritten())
    return rows.select_related("task__prompt").order_by("-ended_at", "-pk")


def recent_prompts(labeler: User, *, count: int = 50) -> list[Prompt]:
    """The labeler's latest prompts, the newest first, without the versions they amended."""
    mine = Prompt.objects.filter(
        author=str(labeler.pseudonym), source=Prompt.Source.LABELER, superseded_by=None
    )
    return list(mine.order_by("-pk")[:count])


def _says(word: str) -> Q:
    written = Demonstration.objects.filter(assignment=OuterRef("pk"), text__icontains=word)
    return Q(task__prompt__messages__icontains=word) | Q(Exists(written))


def _follows(label: type[Ranking] | type[Demonstration]) -> Exists:
    return Exists(label.objects.filter(assignment=OuterRef("pk"), supersedes__isnull=False))


def _rewritten() -> Exists:
    own = Prompt.objects.filter(pk=OuterRef("task__prompt"), supersedes__isnull=False)
    return Exists(own.filter(tasks=OuterRef("task"), tasks__kind=TaskKind.PROMPT_WRITING))
