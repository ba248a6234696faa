"""Publishing guidelines and rating forms, and which of them holds now."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Max, QuerySet

from accounts.audit import Act, record
from accounts.models import User
from core.db import prepared
from core.problems import Problem, refuse
from labeling.intake import texts
from labeling.models import Assignment, FormVersion, Guideline, GuidelineRead
from labeling.models.guidelines import Purpose
from labeling.states import Assignments
from labeling.task_kinds import TASK_KINDS
from labeling.work.rating_form import FIRST_FORM, fault


def current_form() -> FormVersion:
    """The newest form; a fresh installation gets the paper's as version 1."""
    if newest := _newest_form():
        return newest[0]
    return FormVersion.objects.get_or_create(version=1, defaults={"fields": FIRST_FORM})[0]


@prepared.select
def _newest_form() -> QuerySet[FormVersion]:
    return FormVersion.objects.order_by("-version")[:1]


def current_guideline(*, kind: str, purpose: str) -> Guideline | None:
    """The newest version; None while none is published."""
    newest = _newest_guideline(kind=kind, purpose=purpose)
    return newest[0] if newest else None


@prepared.select
def _newest_guideline(*, kind: str, purpose: str) -> QuerySet[Guideline]:
    return Guideline.objects.filter(kind=kind, purpose=purpose).order_by("-version")[:1]


@transaction.atomic
def publish_form(*, fields: dict[str, Any], by: User | None = None) -> FormVersion:
    """Make these the fields from now on; tasks handed out before keep their form.

    Raises Problem 400 that names what is wrong with the fields.
    """
    if sentence := fault(fields):
        refuse("fields", sentence)
    last = FormVersion.objects.aggregate(last=Max("version"))["last"] or 0
    form = FormVersion.objects.create(version=last + 1, fields=fields)
    record(act=Act.FORM_PUBLISHED, by=by, target=form)
    return form


@transaction.atomic
def publish_guideline(*, kind: str, purpose: str, text: str, by: User | None = None) -> Guideline:
    """Make this the guideline from now on; labels made before keep theirs.

    Raises Problem 400 that names the field: a text that says nothing or nothing new, a kind or a
    purpose that there is not.
    """
    if reason := texts.fault(text):
        refuse("text", f"The text {reason}.")
    for name, value, known in (("kind", kind, TASK_KINDS), ("purpose", purpose, Purpose.values)):
        if value not in known:
            refuse(name, f"Choose one of {', '.join(known)}.")
    newest = current_guideline(kind=kind, purpose=purpose)
    if newest and newest.text == text:
        refuse("text", f"This is the text of version {newest.version}; change something first.")
    rows = Guideline.objects.filter(kind=kind, purpose=purpose)
    last = rows.aggregate(last=Max("version"))["last"] or 0
    guideline = Guideline.objects.create(kind=kind, purpose=purpose, version=last + 1, text=text)
    record(act=Act.GUIDELINE_PUBLISHED, by=by, target=guideline)
    return guideline


@transaction.atomic
def acknowledge(*, guideline_id: int, labeler: User) -> Guideline:
    """The labeler has read this version; what they hold now is labeled under it.

    Raises Problem 404 when there is no such guideline.
    """
    guideline = Guideline.objects.filter(pk=guideline_id).first()
    if guideline is None:
        raise Problem(404, "There is no such guideline.")
    GuidelineRead.objects.get_or_create(guideline=guideline, labeler=labeler)
    held = Assignment.objects.filter(
        labeler=labeler,
        state__in=Assignments.submit.sources,
        task__kind=guideline.kind,
        task__purpose=guideline.purpose,
        guideline__version__lt=guideline.version,
    )
    held.update(guideline=guideline)
    return guideline
