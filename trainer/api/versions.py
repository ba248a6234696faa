"""Where versions come from, over HTTP: lineage both ways, the model card, the checkpoint itself."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.text import slugify
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.permissions import IsResearcher, person
from core.problems import Problem
from models_service.api.serializers import VersionSerializer
from models_service.models import ModelVersion, Promotion
from trainer.data import checkpoint_tar, lineage
from trainer.data.model_card import model_card
from trainer.evaluation import promotion_gates
from trainer.rounds.promotion import roll_back


class VersionLineage(APIView):
    """A version's run, snapshot, labels by labeler, prompts and completions. Researchers."""

    permission_classes = [IsResearcher]

    @extend_schema(responses={200: dict[str, Any]})
    def get(self, request: Request, pk: int) -> Response:
        return Response(lineage.of_version(get_object_or_404(ModelVersion, pk=pk)))


class LabelLineage(APIView):
    """The snapshots a label is in, and every checkpoint that it shaped. Researchers."""

    permission_classes = [IsResearcher]

    @extend_schema(responses={200: dict[str, Any]})
    def get(self, request: Request, kind: str, pk: int) -> Response:
        if kind not in lineage.LABELS:
            raise Http404
        return Response(lineage.of_label(kind, get_object_or_404(lineage.LABELS[kind], pk=pk)))


class VersionGates(APIView):
    """The gates before a promotion to policy, met or not, and what it would do. Researchers."""

    permission_classes = [IsResearcher]

    @extend_schema(responses=dict[str, Any])
    def get(self, request: Request, pk: int) -> Response:
        version = get_object_or_404(ModelVersion, pk=pk)
        found = {
            "applies": promotion_gates.applies(Promotion.Role.POLICY, version),
            "gates": [gate.as_dict() for gate in promotion_gates.gates_of(version)],
            "waiting": promotion_gates.waiting_tasks(version),
        }
        return Response(found)


class RollBack(APIView):
    """Let the version that played the role before play it again. Researchers."""

    permission_classes = [IsResearcher]

    @extend_schema(request=None, responses=VersionSerializer)
    def post(self, request: Request, role: str) -> Response:
        if role not in Promotion.Role.values:
            raise Http404
        promotion = roll_back(role=role, by=person(request))
        return Response(VersionSerializer(promotion.version).data)


class VersionCard(APIView):
    """The version's model card in Markdown. Researchers."""

    permission_classes = [IsResearcher]

    @extend_schema(responses={(200, "text/markdown"): OpenApiTypes.STR})
    def get(self, request: Request, pk: int) -> HttpResponseBase:
        text = model_card(get_object_or_404(ModelVersion, pk=pk))
        return HttpResponse(text, content_type="text/markdown; charset=utf-8")


class VersionCheckpoint(APIView):
    """The checkpoint folder as a tar file, its model card as README.md. Researchers."""

    permission_classes = [IsResearcher]

    @extend_schema(responses={(200, "application/x-tar"): OpenApiTypes.BINARY})
    def get(self, request: Request, pk: int) -> HttpResponseBase:
        version = get_object_or_404(ModelVersion, pk=pk)
        if not version.is_local or not version.folder.is_dir():
            raise Problem(409, f"{version} has no weights on this machine to download.")
        name, extra = slugify(version.name), {"README.md": model_card(version)}
        return StreamingHttpResponse(
            checkpoint_tar.tar_stream(version.folder, name, extra),
            content_type="application/x-tar",
            headers={
                "Content-Disposition": f'attachment; filename="{name}.tar"',
                "Content-Length": str(checkpoint_tar.tar_size(version.folder, extra)),
            },
        )
