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
from core.bodies import Sent, takes
from models_service.api.serializers import VersionSerializer
from models_service.models import ModelVersion
from trainer.api.monitoring import whole_number
from trainer.api.serializers import (
    PromoteSerializer,
    ReasonSerializer,
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

    @takes(StartSerializer, responses={201: RoundDetailSerializer})
    def post(self, request: Request, sent: Sent) -> Response:
        round = start_round(by=person(request), **sent)
        advance_rounds.delay()
        return Response(RoundDetailSerializer(round).data, status=201)


class RoundCheck(APIView):
    """What a round would be: labels and their shares, estimates, refusals. Starts nothing.

    Takes what starting takes and answers 200 whatever stands against it. Researchers.
    """

    permission_classes = [IsResearcher]

    @takes(StartSerializer, responses={200: dict[str, Any]})
    def post(self, request: Request, sent: Sent) -> Response:
        del sent["name"]
        return Response(preview.plan(preview.Wish(**sent)))


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
        return self.done(request, pk)

    def done(self, request: Request, pk: int, **arguments: Any) -> Response:
        """Call the service, with what the body adds."""
        round = get_object_or_404(TrainingRound, pk=pk)
        type(self).change(round=round, by=person(request), **arguments)
        advance_rounds.delay()
        round.refresh_from_db()
        return Response(RoundDetailSerializer(round).data)


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

    @takes(RetrySerializer, responses=RoundDetailSerializer)
    def post(self, request: Request, sent: Sent, pk: int) -> Response:
        text = sent.pop("yaml")
        return self.done(
            request, pk, **sent, **({"recipe": preview.changes_in(text)} if text.strip() else {})
        )


class PromoteRound(RoundAction):
    """Make the round's policy the one that answers labelers."""

    change = staticmethod(promote_round)

    @takes(ReasonSerializer, responses=RoundDetailSerializer)
    def post(self, request: Request, sent: Sent, pk: int) -> Response:
        return self.done(request, pk, **sent)


class PromoteVersion(APIView):
    """Give a version a role; waiting tasks of the policy it replaces expire. Researchers."""

    permission_classes = [IsResearcher]

    @takes(PromoteSerializer, responses=VersionSerializer)
    def post(self, request: Request, sent: Sent, pk: int) -> Response:
        version = get_object_or_404(ModelVersion, pk=pk)
        promote(version=version, by=person(request), **sent)
        return Response(VersionSerializer(version).data)
