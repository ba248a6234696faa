"""`/healthz`, `/readyz` and `/metrics`: what a load balancer and Prometheus ask."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from accounts.permissions import ADMIN_ROLES, may
from core import __version__
from operations.metrics import registry
from operations.readiness import is_ready, report


@login_not_required
def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers, and says which version it is."""
    return JsonResponse({"status": "ok", "version": __version__})


@login_not_required
def readyz(request: HttpRequest) -> HttpResponse:
    """200 or 503, within three seconds whatever hangs; what is wrong is not everybody's to know."""
    found = report()
    ready = is_ready(found)
    told = found if _may_know(request, found) else {"status": "ok" if ready else "not ready"}
    return JsonResponse(told, status=200 if ready else 503)


@login_not_required
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text format."""
    return HttpResponse(generate_latest(registry()), content_type=CONTENT_TYPE_LATEST)


_FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_FORWARDED", "HTTP_VIA")


def _may_know(request: HttpRequest, found: Mapping[str, str]) -> bool:
    """This machine itself, and researchers and admins while their session can be looked up."""
    from_here = request.META.get("REMOTE_ADDR") in ("127.0.0.1", "::1")
    if from_here and not any(header in request.META for header in _FORWARDED):
        return True
    if found["database"] != "ok" or found["broker"] != "ok":
        return False
    return request.user.is_authenticated and may(request.user, ADMIN_ROLES)
