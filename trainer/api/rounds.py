"""Rounds over HTTP: list, start, read, pause, resume, cancel, retry, promote."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.permissions import IsResearcher, person
from models_service.api.serializers import VersionSerializer
from models_service.models import ModelVersion
from trainer.api.monitoring import whole_number
from trainer.api.serializers import (
    PromoteSerializer,
    RetrySerializer,
    RoundDetailSerializer,
    RoundSerializer,
    StartSerializer,
)
from trainer.models import TrainingRound
from trainer.rounds import preview
from trainer.rounds.control import cancel, pause, resume, retry
from trainer.rounds.promotion import promote, promote_round
from trainer.rounds.start import start_round
from trainer.runs import monitoring
from trainer.tasks import advance_rounds

MOST_ROUNDS = 100


class RoundList(generics.ListAPIView):
    """Up to a hundred rounds, newest first; POST starts one. Researchers.

    `before`, the last one's id, gets those that are older.
    """

    permission_classes = [IsResearcher]
    serializer_class = RoundSerializer

    def get_queryset(self) -> QuerySet[TrainingRound]:
        rounds = TrainingRound.objects.select_related("start", "policy")
        before = whole_number(self.request, "before")
        return (rounds.filter(pk__lt=before) if before else rounds)[:MOST_ROUNDS]

    @extend_schema(
        parameters=[OpenApiParameter("before", int, description="Id of the last round you have.")]
    )
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        rounds = list(self.get_queryset())
        context = {"alarms": monitoring.alarms_of(rounds)}
        return Response(RoundSerializer(rounds, many=True, context=context).data)

    @extend_schema(request=StartSerializer, responses={201: RoundDetailSerializer})
    def post(self, request: Request) -> Response:
        wanted = StartSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        round = start_round(by=person(request), **wanted.validated_data)
        advance_rounds.delay()
        return Response(RoundDetailSerializer(round).data, status=201)


class RoundCheck(APIView):
    """What a round would be: labels and their shares, estimates, refusals. Starts nothing.

    Takes what starting takes and answers 200 whatever stands against it. Researchers.
    """

    permission_classes = [IsResearcher]

    @extend_schema(request=StartSerializer, responses={200: dict[str, Any]})
    def post(self, request: Request) -> Response:
        wanted = _validated(StartSerializer, request)
        del wanted["name"]
        return Response(preview.plan(preview.Wish(**wanted)))


class RoundDetail(generics.RetrieveAPIView):
    """One round with its runs, evaluations and newest samples. Researchers."""

    permission_classes = [IsResearcher]
    serializer_class = RoundDetailSerializer
    queryset = TrainingRound.objects.select_related("start", "policy")


class RoundAction(APIView):
    """Something done with a round; the answer is the round as it is then. Researchers."""

    permission_classes = [IsResearcher]
    change: ClassVar[Callable[..., Any]]

    @extend_schema(request=None, responses=RoundDetailSerializer)
    def post(self, request: Request, pk: int) -> Response:
        round = get_object_or_404(TrainingRound, pk=pk)
        type(self).change(round=round, by=person(request), **self.arguments(request))
        advance_rounds.delay()
        round.refresh_from_db()
        return Response(RoundDetailSerializer(round).data)

    def arguments(self, request: Request) -> dict[str, Any]:
        """What the body adds to the call."""
        return {}


class PauseRound(RoundAction):
    """Stop after the step at hand and keep the state."""

    change = staticmethod(pause)


class ResumeRound(RoundAction):
    """Go on with a paused round."""

    change = staticmethod(resume)


class CancelRound(RoundAction):
    """End a round; what it produced and its last saved state stay."""

    change = staticmethod(cancel)


class RetryRound(RoundAction):
    """Try a failed or cancelled round again from the stage it stopped in."""

    change = staticmethod(retry)

    def arguments(self, request: Request) -> dict[str, Any]:
        wanted = _validated(RetrySerializer, request)
        text = wanted.pop("yaml")
        return wanted | ({"recipe": preview.changes_in(text)} if text.strip() else {})


class PromoteRound(RoundAction):
    """Make the round's policy the one that answers labelers."""

    change = staticmethod(promote_round)

    def arguments(self, request: Request) -> dict[str, Any]:
        return {"reason": _validated(PromoteSerializer, request)["reason"]}


class PromoteVersion(APIView):
    """Give a version a role; waiting tasks of the policy it replaces expire. Researchers."""

    permission_classes = [IsResearcher]

    @extend_schema(request=PromoteSerializer, responses=VersionSerializer)
    def post(self, request: Request, pk: int) -> Response:
        version = get_object_or_404(ModelVersion, pk=pk)
        promote(version=version, by=person(request), **_validated(PromoteSerializer, request))
        return Response(VersionSerializer(version).data)


def _validated(serializer: Any, request: Request) -> dict[str, Any]:
    body = serializer(data=request.data)
    body.is_valid(raise_exception=True)
    return dict(body.validated_data)
