"""What `/metrics` tells Prometheus: requests as they come, the rest counted when asked."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import redis
from django.conf import settings
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from labeling.models import Assignment, Demonstration, LabelingTask, Ranking, Slot
from operations.queues import QUEUES
from trainer.models import TrainingRun

# Anybody can invent a method, and each would be a time series of its own.
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

_REQUESTS = Histogram(
    "tutelage_request_seconds",
    "Time to answer a request, by view.",
    ["method", "view", "status"],
    registry=None,
)


class MeasureRequests:
    """Middleware: counts and times every request under the name of its view."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        response = self.get_response(request)
        view = request.resolver_match.view_name if request.resolver_match else "none"
        method = request.method if request.method in _METHODS else "other"
        labels = (method, view, str(response.status_code))
        _REQUESTS.labels(*labels).observe(time.perf_counter() - began)
        return response


def registry() -> CollectorRegistry:
    """Everything to export; requests are summed over all web processes of this machine."""
    everything = CollectorRegistry()
    everything.register(_Installation())
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        MultiProcessCollector(everything)
    else:
        everything.register(_REQUESTS)
    return everything


class _Installation(Collector):
    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield _gauge("queue_messages", "Waiting Celery messages.", ["queue"], _messages())
        tasks = LabelingTask.objects.filter(state__in=("sampling", "open", "broken"))
        yield _gauge("tasks", "Labeling tasks.", ["kind", "state"], _counts(tasks, "kind", "state"))
        slots = Slot.objects.filter(state="free")
        yield _gauge("free_slots", "Labels that can be claimed.", ["kind"], _counts(slots, "kind"))
        held = Assignment.objects.filter(state="active")
        yield _gauge("assignments", "Assignments in work.", [], [((), held.count())])
        yield _gauge("labels", "Labels ever submitted.", ["kind"], _labels())
        runs = TrainingRun.objects.all()
        yield _gauge("runs", "Training runs.", ["stage", "state"], _counts(runs, "stage", "state"))


_Rows = Iterable[tuple[tuple[str, ...], int]]


def _gauge(name: str, text: str, labels: list[str], rows: _Rows) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(f"tutelage_{name}", text, labels=labels)
    for values, count in rows:
        gauge.add_metric(values, count)
    return gauge


def _counts(rows: QuerySet[Any], *fields: str) -> _Rows:
    counted = rows.order_by().values_list(*fields).annotate(Count("pk"))
    return [(tuple(row[:-1]), row[-1]) for row in counted]


def _messages() -> _Rows:
    with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1) as broker:
        return [((queue,), int(broker.llen(queue))) for queue in QUEUES]


def _labels() -> _Rows:
    models = (("demonstration", Demonstration), ("ranking", Ranking))
    return [((kind,), model.objects.count()) for kind, model in models]
