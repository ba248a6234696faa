"""Reading a guideline, and saying so."""

from __future__ import annotations

from typing import cast

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from accounts.permissions import IsAnyRole, IsLabeler
from labeling.api import serializers
from labeling.models import Guideline
from labeling.services.guidelines import acknowledge


class GuidelineView(APIView):
    permission_classes = [IsAnyRole]

    @extend_schema(responses=serializers.GuidelineShape)
    def get(self, request: Request, pk: int) -> Response:
        """One version of a guideline, its text in Markdown."""
        guideline = get_object_or_404(Guideline, pk=pk)
        return Response(serializers.GuidelineShape(guideline).data)


class GuidelineReadView(APIView):
    permission_classes = [IsLabeler]

    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request, pk: int) -> Response:
        """I have read this version; tasks I hold are labeled under it from now on."""
        acknowledge(guideline_id=pk, labeler=cast(User, request.user))
        return Response(status=204)
