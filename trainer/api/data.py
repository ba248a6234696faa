"""Data out over HTTP: exports, and erasing a person. Admins."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import FileResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, OpenApiTypes, extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.permissions import IsAdmin, person
from core.bodies import Sent, takes
from core.problems import Problem, refuse
from trainer.data.erasure import erase, trace
from trainer.data.export_jobs import ordered, request_export
from trainer.models import Export
from trainer.tasks import write_export


class ExportSerializer(serializers.ModelSerializer[Export]):
    """An export and how far it is."""

    format = serializers.CharField(source="shape")
    state_title = serializers.CharField(source="get_state_display")

    class Meta:
        model = Export
        fields = ["id", "what", "format", "file", "split", "filters", "snapshot", "state",
                  "state_title", "total", "done", "rows", "manifest", "failure", "created_at",
                  "ended_at"]  # fmt: skip


class OrderSerializer(serializers.Serializer[Any]):
    """What is to be exported; every filter may be left out."""

    what = serializers.CharField()
    format = serializers.CharField(default="whole")
    file = serializers.CharField(default="jsonl")
    split = serializers.CharField(
        allow_blank=True, default="", help_text="train, or of evaluations validation, unless said."
    )
    group = serializers.CharField(
        allow_blank=True, default="", help_text="training; evaluations also have held_out."
    )
    reason = serializers.CharField(
        allow_blank=True,
        default="",
        max_length=400,
        help_text="Why the test split has to leave; the audit log keeps it.",
    )
    round = serializers.IntegerField(allow_null=True, default=None)
    guideline = serializers.IntegerField(allow_null=True, default=None)
    policy = serializers.CharField(allow_blank=True, default="")
    since = serializers.CharField(allow_blank=True, default="")
    until = serializers.CharField(allow_blank=True, default="")
    use_cases = serializers.ListField(child=serializers.CharField(), default=list)
    origins = serializers.ListField(
        child=serializers.CharField(),
        default=list,
        help_text="here, imported, or names of imported sets; none means all",
    )


class ExportList(generics.ListAPIView):
    """The last hundred exports, newest first; POST asks for one, which a worker then writes."""

    permission_classes = [IsAdmin]
    serializer_class = ExportSerializer

    def get_queryset(self) -> QuerySet[Export]:
        return Export.objects.all()[:100]

    @takes(OrderSerializer, responses={201: ExportSerializer})
    def post(self, request: Request, sent: Sent) -> Response:
        order = ordered(shape=sent.pop("format"), **sent)
        export = request_export(by=person(request), order=order, reason=sent["reason"])
        write_export.delay(export.pk)
        return Response(ExportSerializer(export).data, status=201)


class ExportDetail(generics.RetrieveAPIView):
    """One export: `done` of `total` labels, and its manifest once it is finished."""

    permission_classes = [IsAdmin]
    serializer_class = ExportSerializer
    queryset = Export.objects.all()


class ExportFile(APIView):
    """The file of a finished export; its manifest is part of the export."""

    permission_classes = [IsAdmin]

    @extend_schema(responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    def get(self, request: Request, pk: int) -> FileResponse:
        export = get_object_or_404(Export, pk=pk)
        if export.state != Export.State.FINISHED or not export.path.exists():
            raise Problem(409, "There is no file: this export is not finished, or was cleaned up.")
        return FileResponse(export.path.open("rb"), as_attachment=True, filename=export.path.name)


class ErasureSerializer(serializers.Serializer[Any]):
    """Whom to erase; `confirm` is the same name once more."""

    person = serializers.CharField()
    confirm = serializers.CharField()


class Erasures(APIView):
    """GET lists everything there is of a person; POST destroys it for good."""

    permission_classes = [IsAdmin]

    @extend_schema(
        parameters=[OpenApiParameter("person", str, description="An account or an author.")],
        responses=dict[str, Any],
    )
    def get(self, request: Request) -> Response:
        return Response(trace(request.query_params.get("person", "")).as_dict())

    @takes(ErasureSerializer, responses=dict[str, Any])
    def post(self, request: Request, sent: Sent) -> Response:
        if sent["confirm"] != sent["person"]:
            sentence = "This is not the name above; write it exactly as it stands there."
            refuse("confirm", sentence)
        erasure, _ = erase(person=sent["person"], by=person(request))
        return Response({"id": erasure.pk, "at": erasure.at, "found": erasure.found})
