"""What may distress a labeler, and how long they have been at it."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db.models import Sum
from django.utils import timezone

from accounts.models import User
from labeling.models import Assignment, FormVersion, LabelingTask, RankedCompletion
from labeling.work.rating_form import FIRST_FORM

SPELL = timedelta(hours=2)


def warning(task: LabelingTask) -> str | None:
    """Why a task is covered until its labeler chooses to see it: its topic, "reported" when
    somebody skipped its prompt as distressing, "flagged" when somebody saw harm in a completion;
    None for what may be shown at once."""
    if task.prompt is None or not task.of_kind.has_prompt:
        return None
    if task.prompt.topic.casefold() in _topics():
        return task.prompt.topic
    skipped = Assignment.objects.filter(
        task__prompt=task.prompt, state=Assignment.State.RELEASED, release_reason="distressing"
    )
    if skipped.exists():
        return "reported"
    return "flagged" if _is_flagged(task) else None


def distressing_minutes(labeler: User) -> int:
    """Active minutes of the last two hours on tasks of distressing topics."""
    lately = Assignment.objects.filter(
        labeler=labeler,
        state=Assignment.State.SUBMITTED,
        ended_at__gte=timezone.now() - SPELL,
        task__prompt__topic__in=_topics(),
    )
    return (lately.aggregate(spent=Sum("active_seconds"))["spent"] or 0) // 60


def needs_a_break(labeler: User) -> bool:
    """Whether the spell has grown so long that a break should be suggested."""
    return distressing_minutes(labeler) >= settings.LABELING["break_minutes"]


def _topics() -> list[str]:
    return [topic.casefold() for topic in settings.DISTRESSING_TOPICS]


def _is_flagged(task: LabelingTask) -> bool:
    if not task.of_kind.compares:
        return False
    seen = RankedCompletion.objects.filter(completion__task=task)
    return seen.filter(flags__has_any_keys=_harm_flags()).exists()


def _harm_flags() -> list[str]:
    """Those of the group "harm", in the paper's form and in the newest."""
    newest = FormVersion.objects.order_by("-version").first()
    flags = FIRST_FORM["flags"] + (newest.fields["flags"] if newest else [])
    return sorted({flag["name"] for flag in flags if flag["group"] == "harm"})
