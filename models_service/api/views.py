"""Model versions over HTTP: read them, add a remote or a prompted one, replace a key."""

from __future__ import annotations

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.permissions import IsResearcher, person
from models_service import services
from models_service.api import serializers
from models_service.models import ModelVersion


class VersionList(generics.ListAPIView):
    """All model versions, newest first; POST adds a remote one. Researchers."""

    permission_classes = [IsResearcher]
    serializer_class = serializers.VersionSerializer

    def get_queryset(self) -> QuerySet[ModelVersion]:
        return ModelVersion.objects.select_related("parent")

    @extend_schema(
        request=serializers.RemoteVersionSerializer,
        responses={201: serializers.VersionSerializer},
    )
    def post(self, request: Request) -> Response:
        body = serializers.RemoteVersionSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        version = services.register_endpoint(by=person(request), **body.validated_data)
        return Response(serializers.VersionSerializer(version).data, status=201)


class VersionDetail(generics.RetrieveAPIView):
    """One model version. Researchers."""

    permission_classes = [IsResearcher]
    serializer_class = serializers.VersionSerializer
    queryset = ModelVersion.objects.select_related("parent")


class PromptedVersion(APIView):
    """The same model under a prefix prompt, as a version of its own. Researchers."""

    permission_classes = [IsResearcher]

    @extend_schema(
        request=serializers.PromptedVersionSerializer,
        responses={201: serializers.VersionSerializer},
    )
    def post(self, request: Request) -> Response:
        body = serializers.PromptedVersionSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        version = services.register_prompted(by=person(request), **body.validated_data)
        return Response(serializers.VersionSerializer(version).data, status=201)


class BestOfVersion(APIView):
    """A policy that says the best of n answers of a version, by a reward model. Researchers."""

    permission_classes = [IsResearcher]

    @extend_schema(
        request=serializers.BestOfVersionSerializer,
        responses={201: serializers.VersionSerializer},
    )
    def post(self, request: Request) -> Response:
        body = serializers.BestOfVersionSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        version = services.register_best_of(by=person(request), **body.validated_data)
        return Response(serializers.VersionSerializer(version).data, status=201)


class VersionKey(APIView):
    """The key of a remote version, which can be replaced and never read. Researchers."""

    permission_classes = [IsResearcher]

    @extend_schema(request=serializers.KeySerializer, responses={204: None})
    def put(self, request: Request, pk: int) -> Response:
        remote = ModelVersion.objects.remote()
        body = serializers.KeySerializer(data=request.data)
        body.is_valid(raise_exception=True)
        version = get_object_or_404(remote, pk=pk)
        services.replace_key(version=version, by=person(request), **body.validated_data)
        return Response(status=204)
