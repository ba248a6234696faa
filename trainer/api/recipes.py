"""Recipes under a name and as YAML, and schedules that start them, over HTTP."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.text import slugify
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.permissions import IsResearcher, person
from core.bodies import Sent, takes
from trainer.api.serializers import RecipeFileSerializer, RecipeSerializer, ScheduleSerializer
from trainer.models import SavedRecipe, Schedule, TrainingRound
from trainer.rounds import preview
from trainer.rounds.recipes import to_yaml
from trainer.rounds.saved_recipes import remove_recipe, save_recipe
from trainer.rounds.schedules import add_schedule, pause_schedule, remove_schedule, resume_schedule

_YAML = {(200, "application/yaml"): OpenApiTypes.STR}


class Recipes(generics.ListAPIView):
    """All saved recipes; POST saves one. Researchers."""

    permission_classes = [IsResearcher]
    serializer_class = RecipeSerializer
    queryset = SavedRecipe.objects.all()

    @takes(RecipeSerializer, responses={201: RecipeSerializer})
    def post(self, request: Request, sent: Sent) -> Response:
        saved = save_recipe(**sent, by=person(request))
        return Response(RecipeSerializer(saved).data, status=201)


class RecipeDetail(generics.RetrieveAPIView):
    """One recipe; DELETE forgets it and its schedules. Researchers."""

    permission_classes = [IsResearcher]
    serializer_class = RecipeSerializer
    queryset = SavedRecipe.objects.all()

    @extend_schema(responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        remove_recipe(recipe=get_object_or_404(SavedRecipe, pk=pk), by=person(request))
        return Response(status=204)


class RecipeFile(APIView):
    """A saved recipe as YAML. Researchers."""

    permission_classes = [IsResearcher]

    @extend_schema(responses=_YAML)
    def get(self, request: Request, pk: int) -> HttpResponseBase:
        saved = get_object_or_404(SavedRecipe, pk=pk)
        return _as_file(slugify(saved.name) or "recipe", to_yaml(saved.preset, saved.recipe))


class RoundRecipe(APIView):
    """The recipe of a round as YAML. Researchers."""

    permission_classes = [IsResearcher]

    @extend_schema(responses=_YAML)
    def get(self, request: Request, pk: int) -> HttpResponseBase:
        round = get_object_or_404(TrainingRound, pk=pk)
        return _as_file(f"round-{round.pk}", to_yaml(round.preset, round.recipe))


class RecipeReading(APIView):
    """What a recipe's YAML says, complete, or every mistake in it. Keeps nothing. Researchers."""

    permission_classes = [IsResearcher]

    @takes(RecipeFileSerializer, responses={200: dict[str, Any]})
    def post(self, request: Request, sent: Sent) -> Response:
        values = sent
        return Response(preview.read_recipe(values["yaml"], values["preset"]))


class Schedules(generics.ListAPIView):
    """All schedules; POST adds one. Researchers."""

    permission_classes = [IsResearcher]
    serializer_class = ScheduleSerializer

    def get_queryset(self) -> QuerySet[Schedule]:
        return Schedule.objects.select_related("recipe")

    @takes(ScheduleSerializer, responses={201: ScheduleSerializer})
    def post(self, request: Request, sent: Sent) -> Response:
        made = add_schedule(**sent, by=person(request))
        return Response(ScheduleSerializer(made).data, status=201)


class ScheduleDetail(generics.RetrieveAPIView):
    """One schedule; DELETE forgets it. Researchers."""

    permission_classes = [IsResearcher]
    serializer_class = ScheduleSerializer
    queryset = Schedule.objects.select_related("recipe")

    @extend_schema(responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        remove_schedule(schedule=get_object_or_404(Schedule, pk=pk), by=person(request))
        return Response(status=204)


class PauseSchedule(APIView):
    """Let a schedule start nothing until it is resumed. Researchers."""

    permission_classes = [IsResearcher]
    change = staticmethod(pause_schedule)

    @extend_schema(request=None, responses=ScheduleSerializer)
    def post(self, request: Request, pk: int) -> Response:
        schedule = get_object_or_404(Schedule, pk=pk)
        self.change(schedule=schedule, by=person(request))
        schedule.refresh_from_db()
        return Response(ScheduleSerializer(schedule).data)


class ResumeSchedule(PauseSchedule):
    """Let a paused schedule start again, from its next time on. Researchers."""

    change = staticmethod(resume_schedule)


def _as_file(name: str, text: str) -> HttpResponse:
    return HttpResponse(
        text,
        content_type="application/yaml; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.yaml"'},
    )
