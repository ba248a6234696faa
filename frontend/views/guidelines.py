"""Guidelines to read, each version under its own address."""

from __future__ import annotations

from typing import Any, cast

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from accounts.models import Role, User
from accounts.permissions import ADMIN_ROLES, allowed, may
from frontend import selectors
from frontend.changes import rendered_changes
from labeling.intake.texts import fault
from labeling.models import Guideline
from labeling.models.guidelines import Purpose
from labeling.task_kinds import kind_choices
from labeling.work.guideline_reads import readers
from labeling.work.guidelines import current_guideline


@allowed(Role.LABELER, *ADMIN_ROLES)
@require_GET
def guidelines(request: HttpRequest) -> HttpResponse:
    """The current guidelines, one for each kind of work and purpose."""
    return render(request, "guidelines/list.html", {"guidelines": selectors.newest_guidelines()})


@allowed(Role.LABELER, *ADMIN_ROLES)
@require_GET
def guideline(request: HttpRequest, kind: str, purpose: str, version: int) -> HttpResponse:
    """One version of one guideline."""
    found = get_object_or_404(Guideline, kind=kind, purpose=purpose, version=version)
    context: dict[str, Any] = {"guideline": found, "before": selectors.guideline_before(found)}
    reader = cast(User, request.user)
    if may(reader, (Role.LABELER,)):
        context |= selectors.still_to_read(reader, kind=kind, purpose=purpose, shown=found)
    if may(reader, ADMIN_ROLES):
        context["readers"] = readers(found)
    return render(request, "guidelines/one.html", context)


@allowed(*ADMIN_ROLES)
@require_GET
def new_version(request: HttpRequest) -> HttpResponse:
    """A new version to be written from an old one (`?from=7`), or the first of its kind."""
    number = request.GET.get("from", "")
    old = Guideline.objects.filter(pk=number).first() if number.isdecimal() else None
    newest = selectors.newest_guidelines()
    return render(
        request,
        "guidelines/new_version.html",
        {
            "old": old,
            "kinds": kind_choices(),
            "purposes": Purpose.choices,
            "newest": newest,
            "labelers": User.objects.filter(role=Role.LABELER, is_active=True).count(),
            "publish_url": reverse("api-guidelines"),
        },
    )


@allowed(*ADMIN_ROLES)
@require_POST
def preview(request: HttpRequest) -> HttpResponse:
    """The text as labelers will read it, with what changes from the newest version marked."""
    kind, purpose = request.POST.get("kind", ""), request.POST.get("purpose", "")
    text = request.POST.get("text", "")
    if fault(text):  # too long, or what no database keeps; publishing says which
        return HttpResponseBadRequest()
    newest = current_guideline(kind=kind, purpose=purpose)
    return render(
        request,
        "guidelines/preview.html",
        {
            "newest": newest,
            "text": text,
            "changes": rendered_changes(newest.text, text)
            if newest and newest.text != text
            else None,
        },
    )
