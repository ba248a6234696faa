"""What the API says about a model version, and what it takes to add one."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from core.lists import Query
from models_service.engine_table import engine_choices, remote_engines
from models_service.models import Kind, ModelVersion
from models_service.selectors import roles
from models_service.services import MOST_ANSWERS


class VersionSerializer(serializers.ModelSerializer[ModelVersion]):
    roles = serializers.SerializerMethodField(help_text="The roles it plays now.")

    class Meta:
        model = ModelVersion
        fields = ["id", "name", "kind", "engine", "endpoint", "prefix", "parent", "best_of",
                  "judge", "sha256", "figures", "check_report", "roles", "created_at",
                  "learned_from_erased_at"]  # fmt: skip

    def get_roles(self, version: ModelVersion) -> list[str]:
        return roles(version, self.context.get("players"))


class VersionQuery(Query):
    """What versions are listed by."""

    name = serializers.CharField()
    kind = serializers.ChoiceField(Kind.choices)
    engine = serializers.ChoiceField(engine_choices())
    parent: Any = serializers.IntegerField()
    since = serializers.DateTimeField(source="created_at__gte")


class RemoteVersionSerializer(serializers.Serializer[Any]):
    """A model behind an endpoint."""

    name = serializers.CharField(max_length=120)
    kind = serializers.ChoiceField(choices=Kind.choices, default=Kind.BASE)
    engine = serializers.ChoiceField(choices=remote_engines(), default="openai")
    endpoint = serializers.DictField(help_text="base_url, model, and if need be the rest.")
    key = serializers.CharField(default="", allow_blank=True, max_length=400, write_only=True)
    prefix = serializers.CharField(default="", allow_blank=True, max_length=20_000)


class PromptedVersionSerializer(serializers.Serializer[Any]):
    """A version that is there already, under a prefix prompt."""

    name = serializers.CharField(max_length=120)
    version: Any = serializers.PrimaryKeyRelatedField(
        queryset=ModelVersion.objects.exclude(kind=Kind.REWARD)
    )
    prefix = serializers.CharField(max_length=20_000)


class BestOfVersionSerializer(serializers.Serializer[Any]):
    """The best of n answers of a version that is there already, by a reward model."""

    name = serializers.CharField(max_length=120)
    version: Any = serializers.PrimaryKeyRelatedField(
        queryset=ModelVersion.objects.exclude(kind=Kind.REWARD)
    )
    judge: Any = serializers.PrimaryKeyRelatedField(
        queryset=ModelVersion.objects.filter(kind=Kind.REWARD)
    )
    n = serializers.IntegerField(min_value=2, max_value=MOST_ANSWERS)


class KeySerializer(serializers.Serializer[Any]):
    key = serializers.CharField(max_length=400, write_only=True)
