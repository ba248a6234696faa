"""Model versions over HTTP: read them, add a remote or a prompted one, replace a key."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.permissions import IsResearcher, person
from core.bodies import Sent, takes
from core.lists import LinkedPages, ListView
from models_service import services
from models_service.api import serializers
from models_service.models import ModelVersion
from models_service.selectors import players


class VersionList(ListView):
    """Model versions, newest first; POST adds a remote one. Researchers."""

    permission_classes = [IsResearcher]
    serializer_class = serializers.VersionSerializer
    pagination_class = LinkedPages
    query = serializers.VersionQuery
    queryset = ModelVersion.objects.all()

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "players": players()}

    @takes(
        serializers.RemoteVersionSerializer,
        responses={201: serializers.VersionSerializer},
    )
    def post(self, request: Request, sent: Sent) -> Response:
        version = services.register_endpoint(by=person(request), **sent)
        return Response(serializers.VersionSerializer(version).data, status=201)


class VersionDetail(generics.RetrieveAPIView):
    """One model version. Researchers."""

    permission_classes = [IsResearcher]
    serializer_class = serializers.VersionSerializer
    queryset = ModelVersion.objects.select_related("parent")


class PromptedVersion(APIView):
    """The same model under a prefix prompt, as a version of its own. Researchers."""

    permission_classes = [IsResearcher]

    @takes(
        serializers.PromptedVersionSerializer,
        responses={201: serializers.VersionSerializer},
    )
    def post(self, request: Request, sent: Sent) -> Response:
        version = services.register_prompted(by=person(request), **sent)
        return Response(serializers.VersionSerializer(version).data, status=201)


class BestOfVersion(APIView):
    """A policy that says the best of n answers of a version, by a reward model. Researchers."""

    permission_classes = [IsResearcher]

    @takes(
        serializers.BestOfVersionSerializer,
        responses={201: serializers.VersionSerializer},
    )
    def post(self, request: Request, sent: Sent) -> Response:
        version = services.register_best_of(by=person(request), **sent)
        return Response(serializers.VersionSerializer(version).data, status=201)


class VersionKey(APIView):
    """The key of a remote version, which can be replaced and never read. Researchers."""

    permission_classes = [IsResearcher]

    @takes(serializers.KeySerializer, responses={204: None})
    def put(self, request: Request, sent: Sent, pk: int) -> Response:
        remote = ModelVersion.objects.remote()
        version = get_object_or_404(remote, pk=pk)
        services.replace_key(version=version, by=person(request), **sent)
        return Response(status=204)
