"""Guidelines to read, each version under its own address."""

from __future__ import annotations

from typing import cast

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from accounts.models import Role, User
from accounts.permissions import DESK, allowed, may
from frontend import selectors
from labeling.models import Guideline


@allowed(Role.LABELER, *DESK)
@require_GET
def guidelines(request: HttpRequest) -> HttpResponse:
    """The current guidelines, one for each kind of work and purpose."""
    return render(request, "guidelines/list.html", {"guidelines": selectors.newest_guidelines()})


@allowed(Role.LABELER, *DESK)
@require_GET
def guideline(request: HttpRequest, kind: str, purpose: str, version: int) -> HttpResponse:
    """One version of one guideline."""
    found = get_object_or_404(Guideline, kind=kind, purpose=purpose, version=version)
    context = {"guideline": found, "before": selectors.guideline_before(found)}
    labeler = cast(User, request.user)
    if may(labeler, (Role.LABELER,)):
        context |= selectors.still_to_read(labeler, kind=kind, purpose=purpose, shown=found)
    return render(request, "guidelines/one.html", context)
