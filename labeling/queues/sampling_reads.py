"""How sampling is going: what waits and why, how much was said lately, how much of it on-policy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Avg, Count, Q, QuerySet, Sum
from django.utils import timezone

from labeling.models import Completion, LabelingTask, Queue, RankedCompletion, Ranking
from models_service.models import ModelVersion

LATELY = timedelta(minutes=10)


@dataclass(frozen=True)
class Spoken:
    """What one version said in the last ten minutes; `seconds` is a batch's mean duration."""

    version: str
    completions: int
    tokens: int
    seconds: float


def waiting_and_why() -> tuple[int, str]:
    """How many tasks want completions, and what last kept one of them from getting any."""
    waiting = LabelingTask.objects.filter(state=LabelingTask.State.SAMPLING)
    held_up = waiting.exclude(failure="").order_by("-sampling_since").first()
    return waiting.count(), held_up.failure if held_up else ""


def awaited_versions() -> set[int]:
    """Ids of the versions that waiting tasks or the queues' mixtures will ask."""
    names = {name for queue in Queue.objects.all() for name in queue.mixture}
    named = ModelVersion.objects.filter(name__in=names).values_list("pk", flat=True)
    waiting = LabelingTask.objects.filter(state=LabelingTask.State.SAMPLING)
    asked = {
        pk
        for policy, mixture in waiting.values_list("policy_id", "mixture")
        for pk in (policy, *map(int, mixture))
        if pk
    }
    return asked | set(named)


def spoken_lately() -> list[Spoken]:
    """Every version that was sampled in the last ten minutes, the busiest first."""
    recent = Completion.objects.filter(created_at__gte=timezone.now() - LATELY)
    rows = (
        recent.order_by()
        .values_list("version__name")
        .annotate(count=Count("pk"), tokens=Sum("completion_tokens"), latency=Avg("latency_ms"))
    )
    return [
        Spoken(name, count, tokens, round(latency / 1000, 1))
        for name, count, tokens, latency in rows.order_by("-count")
    ]


def on_policy_share(rankings: QuerySet[Ranking], policy: ModelVersion) -> float | None:
    """The share of the completions these rankings compare that this policy said, 0 to 1; None
    where nothing was ranked."""
    ranked = RankedCompletion.objects.filter(ranking__in=rankings)
    said = ranked.aggregate(all=Count("pk"), own=Count("pk", filter=Q(completion__version=policy)))
    return said["own"] / said["all"] if said["all"] else None
