"""Guidelines and rating forms: reading one, saying so, publishing the next."""

from __future__ import annotations

from typing import Any, cast

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from accounts.permissions import IsAnyRole, IsLabeler, IsResearcher, person
from core.bodies import Sent, json_object, takes
from core.lists import LinkedPages, ListView
from core.problems import Problem
from labeling.api import serializers
from labeling.api.list_filters import GuidelineQuery
from labeling.models import Guideline
from labeling.work.guidelines import acknowledge, publish_form, publish_guideline


class GuidelinesView(ListView):
    permission_classes = [IsResearcher]
    serializer_class = serializers.GuidelineShape
    pagination_class = LinkedPages
    query = GuidelineQuery

    def get_queryset(self) -> QuerySet[Guideline]:
        if self.wanted.pop("which", "current") == "all" or "version" in self.wanted:
            return Guideline.objects.all()
        newest = Guideline.objects.order_by("kind", "purpose", "-version")
        return Guideline.objects.filter(pk__in=newest.distinct("kind", "purpose").values("pk"))

    @extend_schema(description="The current version of every guideline, or all of them.")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @takes(serializers.GuidelineBody, responses={201: serializers.GuidelineShape})
    def post(self, request: Request, sent: Sent) -> Response:
        """Publish the next version; labelers read it before their next task of this kind."""
        guideline = publish_guideline(**sent, by=person(request))
        return Response(serializers.GuidelineShape(guideline).data, status=201)


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


class FormsView(APIView):
    permission_classes = [IsResearcher]

    @extend_schema(request=serializers.FormBody, responses={201: serializers.FormShape})
    def post(self, request: Request) -> Response:
        """Publish the next rating form; labels made before, and tasks handed out, keep theirs."""
        sent = json_object(request)
        unknown = sorted(sent.keys() - {"scale", "flags"})
        if unknown:
            raise Problem(400, f"Unknown: {', '.join(map(repr, unknown))[:200]}.")
        form = publish_form(fields=sent, by=person(request))
        return Response({"version": form.version}, status=201)
