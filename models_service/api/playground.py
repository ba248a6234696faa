"""Trying a prompt on several versions: start it, and read along while the worker writes."""

from __future__ import annotations

import secrets
from dataclasses import asdict
from typing import Any, cast
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from accounts.permissions import IsResearcher
from core.bodies import Sent, takes
from core.problems import Problem
from models_service import playground
from models_service.models import Kind, ModelVersion
from models_service.tasks import play

MOST_VERSIONS = 4
# Labelers' queues go first; Redis takes a higher number later.
_PRIORITY = 3
# Whoever asked has left by then.
_STALE_SECONDS = 120


class TurnSerializer(serializers.Serializer[Any]):
    role = serializers.ChoiceField(choices=["system", "user", "assistant"])
    content = serializers.CharField(max_length=20_000, trim_whitespace=False)


class TrialSerializer(serializers.Serializer[Any]):
    """What is tried. Without a seed, a new one is drawn."""

    messages = serializers.ListField(child=TurnSerializer(), min_length=1, max_length=50)
    versions = serializers.ListField(
        child=serializers.IntegerField(), min_length=1, max_length=MOST_VERSIONS
    )
    max_new_tokens = serializers.IntegerField(min_value=1, max_value=1024, default=128)
    temperature = serializers.FloatField(min_value=0, max_value=2, default=1.0)
    seed = serializers.IntegerField(min_value=0, max_value=2**31 - 1, required=False)

    def validate_messages(self, messages: list[dict[str, str]]) -> list[dict[str, str]]:
        if messages[-1]["role"] != "user":
            raise serializers.ValidationError("The last message must be the user's.")
        return messages

    def validate_versions(self, versions: list[int]) -> list[int]:
        if len(set(versions)) < len(versions):
            raise serializers.ValidationError("A version is named twice.")
        speakers = ModelVersion.objects.exclude(kind=Kind.REWARD).filter(pk__in=versions)
        if speakers.count() < len(versions):
            raise serializers.ValidationError("One of them is no version that can speak.")
        return versions


class StartedSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    url = serializers.CharField()
    seed = serializers.IntegerField()


class PartSerializer(serializers.Serializer[Any]):
    version = serializers.IntegerField()
    state = serializers.ChoiceField(choices=["waiting", "writing", "finished", "failed"])
    text = serializers.CharField()
    finish_reason = serializers.CharField()
    prompt_tokens = serializers.IntegerField()
    completion_tokens = serializers.IntegerField()
    logprob = serializers.FloatField(allow_null=True, help_text="Sum over tokens, in nats.")
    latency_ms = serializers.IntegerField()
    engine = serializers.CharField()
    score = serializers.FloatField(allow_null=True, help_text="By the promoted reward model.")
    reason = serializers.CharField()


class PlaygroundView(APIView):
    """Start a trial on the sampling worker. Researchers."""

    permission_classes = [IsResearcher]

    @takes(TrialSerializer, responses={201: StartedSerializer})
    def post(self, request: Request, sent: Sent) -> Response:
        seed = sent.pop("seed", secrets.randbelow(2**31))
        owner = cast(User, request.user).pk
        name = playground.keep(playground.Plan(owner=owner, seed=seed, **sent))
        play.apply_async([name], priority=_PRIORITY, expires=_STALE_SECONDS)
        url = reverse("playground-trial", args=[name])
        return Response({"id": name, "url": url, "seed": seed}, status=201)


class TrialView(APIView):
    """How far each version of one's own trial is. Researchers."""

    permission_classes = [IsResearcher]

    @extend_schema(responses=PartSerializer(many=True))
    def get(self, request: Request, name: UUID) -> Response:
        plan = playground.find(str(name))
        if plan is None or plan.owner != request.user.pk:
            raise Problem(404, "There is no such trial, or it is more than an hour old.")
        return Response([asdict(part) for part in playground.parts(str(name), plan)])
