"""The researcher's playground: one prompt, several versions, and how to add further ones."""

from __future__ import annotations

from collections.abc import Mapping

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET

from accounts.permissions import ADMIN_ROLES, allowed
from labeling.models import Queue
from labeling.queues.queue_reads import trial_of
from models_service.check_reports import summary
from models_service.engine_table import remote_engines
from models_service.models import Kind, ModelVersion, Promotion
from models_service.selectors import check_report, judges, promoted, speakers

SHOWN = 24


@allowed(*ADMIN_ROLES)
@require_GET
def playground(request: HttpRequest) -> HttpResponse:
    """The newest versions that can speak, the first two ticked; the rest is the page's doing.

    `?queue=3` fills it in as that queue samples, with the next prompt it asks.
    """
    number = request.GET.get("queue", "")
    queue = Queue.objects.filter(pk=number).first() if number.isdecimal() else None
    tried = trial_of(queue) if queue else None
    players = {role: promoted(role) for role in Promotion.Role.values}
    versions = speakers(SHOWN)
    ticked = set(tried.versions if tried else []) or {one.pk for one in versions[:2]}
    return render(
        request,
        "console/playground.html",
        {
            "queue": queue,
            "tried": tried,
            "versions": [(one, _roles(players, one), one.pk in ticked) for one in versions],
            "judge": players[Promotion.Role.REWARD],
            "start_url": reverse("playground-start"),
            "prompts_url": reverse("api-prompts"),
        },
    )


@allowed(*ADMIN_ROLES)
@require_GET
def add_version(request: HttpRequest) -> HttpResponse:
    """The forms for models that were not trained here."""
    remote = ModelVersion.objects.remote().filter(endpoint__key_env="")
    context = {
        "versions": speakers(SHOWN),
        "judges": judges(SHOWN),
        "remote": remote,
        "engines": remote_engines(),
    }
    return render(request, "console/add_version.html", context)


@allowed(*ADMIN_ROLES)
@require_GET
def check_version(request: HttpRequest, pk: int) -> HttpResponse:
    """What the check found of a version that is there, and the button that makes it anew."""
    checkable = ModelVersion.objects.local()
    version = get_object_or_404(checkable.exclude(kind=Kind.REWARD), pk=pk)
    report = check_report(version)
    context = {"version": version, "report": report, "summary": summary(report)}
    return render(request, "console/check_version.html", context)


def _roles(players: Mapping[str, object], version: object) -> list[str]:
    return [Promotion.Role(role).label for role, player in players.items() if player == version]
