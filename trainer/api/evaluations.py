"""Evaluations over HTTP: labelers' head-to-heads, diagnoses of reward models, and every figure."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.permissions import IsResearcher, person
from core.bodies import Sent, takes
from labeling.human_evaluation import evaluations as labeled
from labeling.human_evaluation import results as told
from labeling.models import HeadToHead, LabelerProfile
from models_service.models import Kind, ModelVersion
from trainer.evaluation import jobs, reward_figures, summaries
from trainer.evaluation.over_optimisation import over_optimisation
from trainer.evaluation.sample_size import LABELER_EFFECT, Plan, plan
from trainer.figures import data, svg
from trainer.models import Measurement
from trainer.tasks import measure

FORMS = {"svg": "image/svg+xml", "csv": "text/csv; charset=utf-8", "json": "application/json"}


class HeadToHeadSerializer(serializers.ModelSerializer[HeadToHead]):
    """A head-to-head and how far its labels are."""

    title = serializers.CharField(source="__str__")
    ladder = serializers.SerializerMethodField(help_text="Names of the versions, foot first.")
    baseline = serializers.CharField(source="baseline.name")
    progress = serializers.SerializerMethodField(help_text="Labels wanted and given.")

    class Meta:
        model = HeadToHead
        fields = ["id", "title", "ladder", "baseline", "pairs", "split", "prompts",
                  "labels_training", "labels_held_out", "seed", "progress", "created_at",
                  "closed_at"]  # fmt: skip

    def get_ladder(self, contest: HeadToHead) -> list[str]:
        return [version.name for version in told.ladder_of(contest)]

    def get_progress(self, contest: HeadToHead) -> dict[str, Any]:
        found = told.progress(contest)
        return {
            "labels": found.labels,
            "given": found.given,
            "sampling": found.sampling,
            "broken": found.broken,
            "held_up_by": told.held_up_by(contest),
        }


class MeasurementSerializer(serializers.ModelSerializer[Measurement]):
    """A measurement and how far it is."""

    state_title = serializers.CharField(source="get_state_display")
    reward = serializers.CharField(source="reward.name", default=None)

    class Meta:
        model = Measurement
        fields = ["id", "reward", "head_to_head", "state", "state_title", "total", "done",
                  "failure", "created_at", "ended_at"]  # fmt: skip


class HeadToHeadDetailSerializer(HeadToHeadSerializer):
    """A head-to-head with each judge's figures of each version, by its name."""

    verdicts = serializers.SerializerMethodField()
    measurement = serializers.SerializerMethodField()

    class Meta(HeadToHeadSerializer.Meta):
        fields = [*HeadToHeadSerializer.Meta.fields, "verdicts", "measurement"]

    def get_verdicts(self, contest: HeadToHead) -> dict[str, Any]:
        return summaries.verdicts_by_name(contest)

    def get_measurement(self, contest: HeadToHead) -> dict[str, Any] | None:
        newest = contest.measurements.first()
        return dict(MeasurementSerializer(newest).data) if newest else None


_SPEAKERS = ModelVersion.objects.exclude(kind=Kind.REWARD)


class OpenSerializer(serializers.Serializer[Any]):
    """What is to be compared: ids of versions from the foot up, and the one they are held against.

    `labels_training` and `labels_held_out` are labels of every pair by each group of labelers.
    """

    name = serializers.CharField(max_length=120, allow_blank=True, default="")
    ladder: Any = serializers.PrimaryKeyRelatedField(queryset=_SPEAKERS, many=True)
    baseline: Any = serializers.PrimaryKeyRelatedField(queryset=_SPEAKERS)
    split = serializers.CharField(default="test")
    prompts = serializers.IntegerField(min_value=1)
    labels_training = serializers.IntegerField(min_value=0, max_value=20, default=1)
    labels_held_out = serializers.IntegerField(min_value=0, max_value=20, default=0)
    pairs = serializers.CharField(default=HeadToHead.Pairs.BASELINE)
    seed = serializers.IntegerField(min_value=0, max_value=2**31 - 1, default=0)


class PlanSerializer(serializers.Serializer[Any]):
    """What the sample size depends on; `rate` is the true win rate one wants to tell from even."""

    versions = serializers.IntegerField(min_value=2, max_value=8, default=2)
    prompts = serializers.IntegerField(min_value=2, max_value=1_000_000, default=100)
    labels = serializers.IntegerField(min_value=1, max_value=40, default=1)
    pairs = serializers.CharField(default=HeadToHead.Pairs.BASELINE)
    rate = serializers.FloatField(min_value=0.501, max_value=0.999, default=0.6)
    power = serializers.FloatField(min_value=0.5, max_value=0.999, default=0.8)
    labelers = serializers.IntegerField(
        min_value=1,
        max_value=10_000,
        required=False,
        help_text="How many will label; without it, as many training labelers as there are.",
    )
    labeler_effect = serializers.FloatField(
        min_value=0,
        max_value=5,
        default=LABELER_EFFECT,
        help_text="How far labelers differ: the standard deviation of their own log-odds.",
    )


class EvaluationList(generics.ListAPIView):
    """Labelers' head-to-heads, newest first; POST opens one. Researchers."""

    permission_classes = [IsResearcher]
    serializer_class = HeadToHeadSerializer
    queryset = HeadToHead.objects.select_related("baseline")

    @takes(OpenSerializer, responses={201: HeadToHeadSerializer})
    def post(self, request: Request, sent: Sent) -> Response:
        contest = labeled.open_head_to_head(by=person(request), **sent)
        return Response(HeadToHeadSerializer(contest).data, status=201)


class EvaluationPlan(APIView):
    """How many prompts a head-to-head needs, and how sure so many would be. Researchers."""

    permission_classes = [IsResearcher]

    @extend_schema(parameters=[PlanSerializer], responses=dict[str, Any])
    def get(self, request: Request) -> Response:
        wanted = PlanSerializer(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        there_are = {"labelers": max(1, told.labelers_in(LabelerProfile.Group.TRAINING))}
        return Response(plan(Plan(**there_are | wanted.validated_data)))


class EvaluationDetail(generics.RetrieveAPIView):
    """One head-to-head with all its figures so far. Researchers."""

    permission_classes = [IsResearcher]
    serializer_class = HeadToHeadDetailSerializer
    queryset = HeadToHead.objects.select_related("baseline")


class EvaluationClose(APIView):
    """Ask for no more labels, and measure what there is. Researchers."""

    permission_classes = [IsResearcher]

    @extend_schema(request=None, responses=MeasurementSerializer)
    def post(self, request: Request, pk: int) -> Response:
        contest = get_object_or_404(HeadToHead, pk=pk)
        found = jobs.close_contest(contest=contest, by=person(request))
        measure.delay(found.pk)
        return Response(MeasurementSerializer(found).data)


class EvaluationMeasure(APIView):
    """Let the promoted reward model judge the answers too, and store every figure. Researchers."""

    permission_classes = [IsResearcher]

    @extend_schema(request=None, responses={202: MeasurementSerializer})
    def post(self, request: Request, pk: int) -> Response:
        contest = get_object_or_404(HeadToHead, pk=pk)
        found = jobs.request_measurement(contest=contest, by=person(request))
        measure.delay(found.pk)
        return Response(MeasurementSerializer(found).data, status=202)


class Diagnosis(APIView):
    """How good a reward model is; POST lets a worker find out. Researchers."""

    permission_classes = [IsResearcher]

    @extend_schema(responses=dict[str, Any])
    def get(self, request: Request, pk: int) -> Response:
        reward = get_object_or_404(ModelVersion, pk=pk, kind=Kind.REWARD)
        newest = reward_figures.newest(reward)
        if newest is None:
            raise Http404
        return Response({**MeasurementSerializer(newest).data, "figures": newest.figures})

    @extend_schema(request=None, responses={202: MeasurementSerializer})
    def post(self, request: Request, pk: int) -> Response:
        reward = get_object_or_404(ModelVersion, pk=pk)
        found = jobs.request_diagnosis(reward=reward, by=person(request))
        measure.delay(found.pk)
        return Response(MeasurementSerializer(found).data, status=202)


class AskAgainSerializer(serializers.Serializer[Any]):
    """Ids of prompts; those of the test split are never asked again."""

    prompts = serializers.ListField(child=serializers.IntegerField(), min_length=1, max_length=1000)


class AskAgain(APIView):
    """Put prompts at the head of the ranking queue; undone by /changes/{change}/undo/."""

    permission_classes = [IsResearcher]

    @takes(AskAgainSerializer, responses=dict[str, Any])
    def post(self, request: Request, sent: Sent) -> Response:
        change = labeled.ask_again(by=person(request), **sent)
        return Response({"change": change.pk, "count": change.count})


class FigureFile(APIView):
    """A figure as SVG, or its data as CSV or JSON. Researchers."""

    permission_classes = [IsResearcher]

    @extend_schema(
        parameters=[
            OpenApiParameter("name", str, "path", description="win-rate, likert, calibration, …"),
            OpenApiParameter("form", str, "path", enum=list(FORMS)),
        ],
        responses={(200, kind): OpenApiTypes.BINARY for kind in FORMS.values()},
    )
    def get(self, request: Request, pk: int, name: str, form: str) -> HttpResponse:
        if form not in FORMS:
            raise Http404
        figure = next((one for one in self.figures(pk) if one.name == name), None)
        if figure is None:
            raise Http404
        write = {"svg": svg.standalone, "csv": data.as_csv, "json": data.as_json}[form]
        head = {"Content-Disposition": f'attachment; filename="{name}-{pk}.{form}"'}
        return HttpResponse(write(figure), content_type=FORMS[form], headers=head)

    def figures(self, pk: int) -> list[data.Figure]:
        """All figures of the thing with this id."""
        raise NotImplementedError


class EvaluationFigure(FigureFile):
    """A figure of a head-to-head."""

    def figures(self, pk: int) -> list[data.Figure]:
        return summaries.contest_figures(get_object_or_404(HeadToHead, pk=pk))


class DiagnosisFigure(FigureFile):
    """A figure of a reward model's diagnosis."""

    def figures(self, pk: int) -> list[data.Figure]:
        reward = get_object_or_404(ModelVersion, pk=pk, kind=Kind.REWARD)
        return reward_figures.diagnosis_figures(reward)


class DivergenceFigure(FigureFile):
    """Win rate or score against KL, over all versions compared with this one."""

    def figures(self, pk: int) -> list[data.Figure]:
        return over_optimisation(get_object_or_404(ModelVersion, pk=pk))
