"""Checking a model before it is taken up: start it, read along, and add what passed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.permissions import IsResearcher, person
from core.bodies import Sent, takes
from core.problems import Problem
from models_service import services as versions
from models_service.models import Kind, ModelVersion
from trainer.evaluation import model_checks
from trainer.tasks import check_model

# Labelers' queues go first; Redis takes a higher number later.
_PRIORITY = 3


class CheckSerializer(serializers.Serializer[Any]):
    """A `source` (a folder of the server or a Hugging Face id) or a `version` that is there.

    `options` are variables of the source's chat template; with `add`, what passes becomes a version
    called `name`, or like its source where that is empty.
    """

    source: Any = serializers.CharField(max_length=400, required=False)
    version: Any = serializers.PrimaryKeyRelatedField(
        queryset=ModelVersion.objects.local()
        .filter(weights_removed_at=None)
        .exclude(kind=Kind.REWARD),
        required=False,
    )
    options = serializers.DictField(default=dict)
    name = serializers.CharField(max_length=120, allow_blank=True, default="")
    add = serializers.BooleanField(default=False)

    def validate_options(self, options: dict[str, Any]) -> dict[str, Any]:
        if wrong := next((name for name in options if not name.isidentifier()), None):
            raise serializers.ValidationError(f"{wrong!r} is no name of a template's variable.")
        return options

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        if ("source" in given) == ("version" in given):
            raise serializers.ValidationError({"source": "Name a folder or a model's id."})
        return given


class StartedCheckSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    url = serializers.CharField()


class FindingSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    title = serializers.CharField()
    ok = serializers.BooleanField()
    says = serializers.CharField()
    measured = serializers.DictField()


class ProgressSerializer(serializers.Serializer[Any]):
    state = serializers.ChoiceField(
        choices=["waiting", "loading", "checking", "passed", "refused", "failed"]
    )
    findings = FindingSerializer(many=True)
    report = serializers.DictField(help_text="All of it, once it is finished.")
    reason = serializers.CharField(help_text="Why it did not pass, and what to do.")
    version = serializers.IntegerField(allow_null=True, help_text="The one added or checked.")


class Checks(APIView):
    """Check a model on the sampling worker. Researchers."""

    permission_classes = [IsResearcher]

    @takes(CheckSerializer, responses={201: StartedCheckSerializer})
    def post(self, request: Request, sent: Sent) -> Response:
        name = model_checks.keep(_plan(person(request).pk, sent))
        return Response(_sent(name), status=201)


class CheckDetail(APIView):
    """How far one's own check is; POST adds the model, which is checked first if it was not.
    Researchers."""

    permission_classes = [IsResearcher]

    @extend_schema(responses=ProgressSerializer)
    def get(self, request: Request, name: UUID) -> Response:
        _own(request, name)
        return Response(asdict(model_checks.progress(str(name))))

    @extend_schema(request=None, responses={202: StartedCheckSerializer})
    def post(self, request: Request, name: UUID) -> Response:
        plan = _own(request, name)
        if plan.version:
            raise Problem(409, "This version is there already.")
        versions.require_free(plan.name)
        model_checks.keep(replace(plan, add=True), str(name))
        return Response(_sent(str(name)), status=202)


def _plan(owner: int, given: Mapping[str, Any]) -> model_checks.Plan:
    if "version" in given:
        return model_checks.Plan(owner, version=given["version"].pk)
    source = given["source"].strip()
    name = given["name"].strip() or versions.base_title(source)
    versions.require_free(name)
    return model_checks.Plan(owner, source, given["options"], name, given["add"])


def _own(request: Request, name: UUID) -> model_checks.Plan:
    plan = model_checks.find(str(name))
    if plan is None or plan.owner != request.user.pk:
        raise Problem(404, "There is no such check, or it is more than a day old.")
    return plan


def _sent(name: str) -> dict[str, str]:
    """Hand the check to a worker; what its page follows."""
    check_model.apply_async([name], priority=_PRIORITY, expires=model_checks.KEPT_SECONDS)
    return {"id": name, "url": reverse("version-check", args=[name])}
