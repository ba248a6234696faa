"""`/healthz`, `/readyz` and `/metrics`: what a load balancer and Prometheus ask."""

from __future__ import annotations

from collections.abc import Callable

import redis
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from core import __version__
from operations.metrics import registry
from operations.queues import unserved_queues


@login_not_required
def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers, and says which version it is."""
    return JsonResponse({"status": "ok", "version": __version__})


@login_not_required
def readyz(request: HttpRequest) -> HttpResponse:
    """Database, broker and a worker for every queue answer; 503 names what does not."""
    checks = {"database": _database, "broker": _broker, "workers": _workers}
    report = {name: _outcome(check) for name, check in checks.items()}
    ready = all(outcome == "ok" for outcome in report.values())
    return JsonResponse(report, status=200 if ready else 503)


@login_not_required
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text format."""
    return HttpResponse(generate_latest(registry()), content_type=CONTENT_TYPE_LATEST)


def _outcome(check: Callable[[], None]) -> str:
    try:
        check()
    except Exception as error:  # a probe reports every failure, whatever its kind
        return f"{type(error).__name__}: {error}"
    return "ok"


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _broker() -> None:
    redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1).ping()


def _workers() -> None:
    if missing := unserved_queues():
        raise RuntimeError(f"no worker serves {', '.join(missing)}")
