"""Reports: a labeler tells an admin what is the matter with a task, and is answered."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from accounts.audit import Act, record
from accounts.models import User
from core.problems import Problem, refuse
from labeling.intake import texts
from labeling.models import Report
from labeling.work.ownership import own

LONGEST = 2000


@transaction.atomic
def report(*, assignment_id: int, labeler: User, text: str) -> Report:
    """Tell about a task of one's own, whatever became of it; the task itself stays as it is.

    Raises Problem 400 for a text that says nothing or too much and 404 for another's assignment.
    """
    text = _checked("text", text)
    return Report.objects.create(
        assignment=own(assignment_id=assignment_id, labeler=labeler), text=text
    )


@transaction.atomic
def answer(*, report_id: int, by: User, text: str) -> Report:
    """Answer a report, once. Raises Problem 409 when somebody has answered it already."""
    text = _checked("answer", text)
    rows = Report.objects.filter(pk=report_id)
    values = {"answer": text, "answered_by": by, "answered_at": timezone.now()}
    if not rows.filter(answered_at=None).update(**values):
        raise Problem(409, "This report is answered already, or there is none.")
    answered = rows.get()
    record(act=Act.REPORT_ANSWERED, by=by, target=answered)
    return answered


def see(*, report_id: int, labeler: User) -> None:
    """The labeler has read the answer. Raises Problem 404 without an answer of their own."""
    mine = Report.objects.filter(pk=report_id, assignment__labeler=labeler)
    if not mine.exclude(answered_at=None).update(seen_at=timezone.now()):
        raise Problem(404, "You have no such answer.")


def _checked(name: str, text: str) -> str:
    text = text.strip()
    fault = texts.fault(text)
    if fault is None and len(text) > LONGEST:
        fault = f"is longer than {LONGEST:,} characters"
    if fault:
        refuse(name, f"The {name} {fault}.")
    return text
