"""Reading a guideline."""

from __future__ import annotations

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.permissions import IsAnyRole
from labeling.api import serializers
from labeling.models import Guideline


class GuidelineView(APIView):
    permission_classes = [IsAnyRole]

    @extend_schema(responses=serializers.GuidelineShape)
    def get(self, request: Request, pk: int) -> Response:
        """One version of a guideline, its text in Markdown."""
        guideline = get_object_or_404(Guideline, pk=pk)
        return Response(serializers.GuidelineShape(guideline).data)
