"""Reads that follow a round: progress, curves and their files, alarms, samples, the log."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.db.models import F, Q, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from core.jobs import silent_since
from trainer.figures.tensorboard import event_file
from trainer.models import LogLine, Metric, Sample, TrainingRound, TrainingRun
from trainer.runs.alarms import WINDOW, Alarm, alarms

LOG_LINES = 300
MOST_POINTS = 2000  # of a curve on a page, which is some thousand pixels wide at most

Point = tuple[int, float | None]
Curves = dict[str, dict[str, list[Point]]]


def progress(run: TrainingRun) -> dict[str, Any]:
    """Step, rate in steps a second and seconds left, from the steps of the last minutes."""
    rate = _rate(run)
    left = (run.total_steps - run.step) / rate if rate and run.total_steps else None
    ended = run.ended_at or timezone.now()
    return {
        "step": run.step,
        "total": run.total_steps,
        "rate": rate,
        "seconds_left": left if run.state == TrainingRun.State.RUNNING else None,
        "seconds": (ended - run.started_at).total_seconds() if run.started_at else None,
    }


def metrics_since(round: TrainingRound, since: datetime | None) -> list[Metric]:
    """Metrics written or rewritten after a moment, oldest first."""
    found = Metric.objects.filter(run__round=round).select_related("run").order_by("at", "id")
    return list(found.filter(at__gt=since) if since else found)


def latest_samples(round: TrainingRound) -> list[dict[str, Any]]:
    """What the stages said at their newest step that has samples, newest stage first."""
    found = []
    for run in round.runs.order_by("-id"):
        newest = run.samples.order_by("-step").first()
        if newest:
            rows = run.samples.filter(step=newest.step).values("prompt", "text", "score")
            found.append({"stage": run.stage, "step": newest.step, "rows": list(rows)})
    return found


def curves(metrics: list[Metric]) -> Curves:
    """Points of every curve: stage → metric → [(step, value)]."""
    series: Curves = {}
    for metric in metrics:
        stage = series.setdefault(metric.run.stage, {})
        for name, value in metric.values.items():
            stage.setdefault(name, []).append((metric.step, value))
    return series


def thinned(series: Curves) -> Curves:
    """The same curves; of one with more points every nth and the last."""
    return {
        stage: {name: _thin(points, MOST_POINTS) for name, points in metrics.items()}
        for stage, metrics in series.items()
    }


def _thin(points: list[Point], most: int) -> list[Point]:
    every = -(-len(points) // most)
    return points if every < 2 else [*points[:-1:every], points[-1]]


def table(round: TrainingRound) -> Iterator[str]:
    """The curves as CSV, a line a stage's step, a column a metric; empty where there is none."""
    metrics = _in_order(round)
    names = sorted({name for metric in metrics for name in metric.values})
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(["stage", "step", "at", *names])
    for metric in metrics:
        moment = metric.at.isoformat(timespec="seconds")
        values = (metric.values.get(name) for name in names)
        writer.writerow([metric.run.stage, metric.step, moment, *values])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def event_archive(round: TrainingRound) -> bytes:
    """The curves as a ZIP of TensorBoard's event files, a folder a stage."""
    stages: dict[str, list[Metric]] = {}
    for metric in _in_order(round):
        stages.setdefault(metric.run.stage, []).append(metric)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for stage, metrics in stages.items():
            began = int(metrics[0].at.timestamp())
            name = f"round-{round.pk}/{stage}/events.out.tfevents.{began}.tutelage"
            archive.writestr(name, event_file((m.step, m.at, m.values) for m in metrics))
    return packed.getvalue()


def alarms_of(rounds: Iterable[TrainingRound]) -> dict[int, list[Alarm]]:
    """What goes wrong in the PPO of each of these rounds, by their ids; read with one query."""
    ends = (
        Metric.objects.filter(run__round__in=[r.pk for r in rounds], run__stage="ppo", step__gt=0)
        .annotate(
            first=Window(RowNumber(), F("run"), order_by=F("step").asc()),
            last=Window(RowNumber(), F("run"), order_by=F("step").desc()),
        )
        .filter(Q(first__lte=WINDOW) | Q(last__lte=2 * WINDOW))
        .order_by("run", "step")
        .values_list("run__round", "step", "values")
    )
    steps: dict[int, list[tuple[int, dict[str, float | None]]]] = {}
    for round_id, step, values in ends:
        steps.setdefault(round_id, []).append((step, values))
    return {round_id: alarms(of_one) for round_id, of_one in steps.items()}


def sample_steps(round: TrainingRound) -> dict[str, list[int]]:
    """The steps of each stage at which the model was heard."""
    steps: dict[str, list[int]] = {}
    heard = Sample.objects.filter(run__round=round).order_by("run", "step")
    for stage, step in heard.values_list("run__stage", "step").distinct():
        steps.setdefault(stage, []).append(step)
    return steps


def samples_at(round: TrainingRound, stage: str, step: int) -> list[dict[str, Any]]:
    """What a stage's model said at a step, in the order of the prompts."""
    heard = Sample.objects.filter(run__round=round, run__stage=stage, step=step)
    return [dict(row) for row in heard.order_by("position").values("prompt", "text", "score")]


def log_after(round: TrainingRound, line: int) -> list[dict[str, Any]]:
    """The newest lines of the round's log that came after a line, oldest first."""
    newest = LogLine.objects.filter(run__round=round, pk__gt=line).order_by("-id")[:LOG_LINES]
    rows = newest.values("id", "at", "level", "text", stage=F("run__stage"))
    return [dict(row) for row in rows][::-1]


def has_fallen_silent(run: TrainingRun) -> bool:
    """Whether the run's worker is taken for dead: another one takes the run up."""
    running = run.state == TrainingRun.State.RUNNING
    return running and run.heartbeat_at is not None and run.heartbeat_at < silent_since()


def _in_order(round: TrainingRound) -> list[Metric]:
    found = Metric.objects.filter(run__round=round).select_related("run")
    return list(found.order_by("run", "step"))


def _rate(run: TrainingRun) -> float | None:
    recent = list(run.metrics.order_by("-step").values_list("step", "at")[:10])
    if len(recent) < 2:
        return None
    seconds = (recent[0][1] - recent[-1][1]).total_seconds()
    return (recent[0][0] - recent[-1][0]) / seconds if seconds > 0 else None
