"""Following a round over HTTP: curves and their files, samples at any step, the log."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.dateparse import parse_datetime
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.permissions import IsResearcher
from core.problems import refuse
from trainer.models import TrainingRound
from trainer.runs import monitoring


class RoundMetrics(APIView):
    """Curves of a round's stages, whole or since a moment. Researchers.

    Pass the answer's `cursor` as `since` to get only what is new. Values are lists of
    [step, value] pairs; of a curve with more than 2,000 only every nth and the last, and
    `thinned` says so: the CSV holds them all.
    """

    permission_classes = [IsResearcher]

    @extend_schema(
        parameters=[OpenApiParameter("since", datetime, description="A former `cursor`.")],
        responses={200: dict[str, Any]},
    )
    def get(self, request: Request, pk: int) -> Response:
        round = get_object_or_404(TrainingRound, pk=pk)
        since = _moment(request.query_params.get("since"))
        metrics = monitoring.metrics_since(round, since)
        cursor = metrics[-1].at if metrics else since
        whole = monitoring.curves(metrics)
        shown = monitoring.thinned(whole)
        told = {"cursor": cursor and cursor.isoformat(), "stages": shown, "thinned": shown != whole}
        return Response(told)


class RoundTable(APIView):
    """The curves as CSV: a line a stage's step, a column a metric. Researchers."""

    permission_classes = [IsResearcher]

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.STR})
    def get(self, request: Request, pk: int) -> HttpResponseBase:
        round = get_object_or_404(TrainingRound, pk=pk)
        return StreamingHttpResponse(
            monitoring.table(round),
            content_type="text/csv; charset=utf-8",
            headers=_as_file(f"round-{round.pk}-curves.csv"),
        )


class RoundEvents(APIView):
    """The curves as TensorBoard event files, a folder a stage, in a ZIP. Researchers."""

    permission_classes = [IsResearcher]

    @extend_schema(responses={(200, "application/zip"): OpenApiTypes.BINARY})
    def get(self, request: Request, pk: int) -> HttpResponseBase:
        round = get_object_or_404(TrainingRound, pk=pk)
        return HttpResponse(
            monitoring.event_archive(round),
            content_type="application/zip",
            headers=_as_file(f"round-{round.pk}-tensorboard.zip"),
        )


class RoundSamples(APIView):
    """What a stage's model said at a step. Researchers."""

    permission_classes = [IsResearcher]

    @extend_schema(
        parameters=[OpenApiParameter("stage", str), OpenApiParameter("step", int)],
        responses={200: dict[str, Any]},
    )
    def get(self, request: Request, pk: int) -> Response:
        round = get_object_or_404(TrainingRound, pk=pk)
        stage, step = request.query_params.get("stage", ""), whole_number(request, "step")
        return Response(
            {"stage": stage, "step": step, "rows": monitoring.samples_at(round, stage, step)}
        )


class RoundLog(APIView):
    """The newest lines of the round's log, or those after a line's id. Researchers."""

    permission_classes = [IsResearcher]

    @extend_schema(
        parameters=[OpenApiParameter("after", int, description="Id of the last line you have.")],
        responses={200: list[dict[str, Any]]},
    )
    def get(self, request: Request, pk: int) -> Response:
        round = get_object_or_404(TrainingRound, pk=pk)
        return Response(monitoring.log_after(round, whole_number(request, "after")))


def _as_file(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}


def whole_number(request: Request, name: str) -> int:
    """A parameter of the address, 0 where it is left out. Raises Problem."""
    text = request.query_params.get(name, "0")
    if not text.isdecimal() or len(text) > 18:
        refuse(name, f"{name} must be a whole number.")
    return int(text)


def _moment(text: str | None) -> datetime | None:
    """An ISO 8601 moment; the plus sign of its offset may have become a blank on the way."""
    if not text:
        return None
    try:
        moment = parse_datetime(text.replace(" ", "+"))
    except ValueError:
        moment = None
    if moment is None:
        refuse("since", "since must be a moment such as 2026-01-31T12:00:00+00:00.")
    return moment
