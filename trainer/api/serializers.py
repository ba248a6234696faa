"""What the API says about rounds, runs, samples and evaluations, and what it takes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rest_framework import serializers

from models_service.models import ModelVersion, Promotion
from trainer.models import (
    DatasetSnapshot,
    Evaluation,
    SavedRecipe,
    Schedule,
    TrainingRound,
    TrainingRun,
)
from trainer.rounds import reads
from trainer.rounds.due_times import in_words
from trainer.runs import monitoring
from trainer.runs.missing_workers import absence


class RunSerializer(serializers.ModelSerializer[TrainingRun]):
    progress = serializers.SerializerMethodField(help_text="Steps, steps a second, seconds left.")
    title = serializers.CharField(source="get_stage_display")
    output = serializers.CharField(source="output.name", default=None)
    silent = serializers.SerializerMethodField(help_text="Its worker is taken for dead.")

    class Meta:
        model = TrainingRun
        fields = ["id", "stage", "title", "state", "silent", "progress", "attempts", "output",
                  "failure", "result", "started_at", "ended_at"]  # fmt: skip

    def get_progress(self, run: TrainingRun) -> dict[str, Any]:
        return monitoring.progress(run)

    def get_silent(self, run: TrainingRun) -> bool:
        return monitoring.has_fallen_silent(run)


class EvaluationSerializer(serializers.ModelSerializer[Evaluation]):
    version = serializers.CharField(source="version.name")
    baseline = serializers.CharField(source="baseline.name", default=None)
    judge = serializers.CharField(source="get_judge_display")

    class Meta:
        model = Evaluation
        fields = ["version", "baseline", "judge", "split", "figures", "created_at"]


class RoundSerializer(serializers.ModelSerializer[TrainingRound]):
    """A round as it stands in a list."""

    title = serializers.CharField(source="__str__")
    start = serializers.CharField(source="start.name")
    policy = serializers.CharField(source="policy.name", default=None)
    state_title = serializers.CharField(source="get_state_display")
    ahead = serializers.SerializerMethodField(help_text="Rounds that go before a queued one.")
    alarms = serializers.SerializerMethodField(help_text="What goes wrong in PPO, and what to do.")

    def get_ahead(self, round: TrainingRound) -> int | None:
        return reads.ahead(round)

    def get_alarms(self, round: TrainingRound) -> list[dict[str, Any]]:
        known = self.context.get("alarms")
        rung = monitoring.alarms_of([round]) if known is None else known
        return [asdict(alarm) for alarm in rung.get(round.pk, [])]

    class Meta:
        model = TrainingRound
        fields = ["id", "title", "preset", "state", "state_title", "ahead", "alarms", "start",
                  "policy", "failure", "created_at", "started_at", "ended_at"]  # fmt: skip


class RoundDetailSerializer(RoundSerializer):
    """A round with its runs, evaluations and newest samples."""

    runs = RunSerializer(many=True)
    evaluations = EvaluationSerializer(many=True)
    samples = serializers.SerializerMethodField()
    sample_steps = serializers.SerializerMethodField(help_text="Steps with samples, by stage.")
    actions = serializers.SerializerMethodField(help_text="What can be done with it now.")
    absence = serializers.SerializerMethodField(
        help_text="Which worker it waits for in vain, and the command that starts one."
    )
    promoted = serializers.SerializerMethodField(help_text="Whether its policy is promoted.")
    on_policy_share = serializers.SerializerMethodField(
        help_text="Of the compared completions, those of the promoted policy at its start, 0 to 1."
    )

    class Meta(RoundSerializer.Meta):
        fields = [*RoundSerializer.Meta.fields, "recipe", "snapshot", "runs", "evaluations",
                  "samples", "sample_steps", "actions", "absence", "promoted",
                  "on_policy_share"]  # fmt: skip

    def get_samples(self, round: TrainingRound) -> list[dict[str, Any]]:
        return monitoring.latest_samples(round)

    def get_sample_steps(self, round: TrainingRound) -> dict[str, list[int]]:
        return monitoring.sample_steps(round)

    def get_actions(self, round: TrainingRound) -> list[str]:
        return reads.actions(round)

    def get_absence(self, round: TrainingRound) -> dict[str, str] | None:
        missing = absence() if round.state in reads.UNDER_WAY else None
        return asdict(missing) if missing else None

    def get_on_policy_share(self, round: TrainingRound) -> float | None:
        return reads.on_policy_share(round)

    def get_promoted(self, round: TrainingRound) -> bool:
        return reads.is_in_office(round)


class StartSerializer(serializers.Serializer[Any]):
    """`recipe` changes values of the preset: `{"stages": [...], "sft": {"epochs": 3}, …}`."""

    preset = serializers.CharField()
    recipe = serializers.JSONField(default=dict)
    name = serializers.CharField(max_length=120, allow_blank=True, default="")
    start = serializers.PrimaryKeyRelatedField(
        queryset=ModelVersion.objects.exclude(kind="reward"), allow_null=True, default=None
    )
    reward = serializers.PrimaryKeyRelatedField(
        queryset=ModelVersion.objects.filter(kind="reward"),
        allow_null=True,
        default=None,
        help_text="Stands in for a reward stage that is left out.",
    )
    snapshot = serializers.PrimaryKeyRelatedField(
        queryset=DatasetSnapshot.objects.all(),
        allow_null=True,
        default=None,
        help_text="Labels that are frozen already; without it they are frozen anew.",
    )


class RecipeSerializer(serializers.ModelSerializer[SavedRecipe]):
    """A recipe under a name. Sent: the values that change the preset; told: all of them."""

    recipe = serializers.JSONField(default=dict)
    replace = serializers.BooleanField(default=False, write_only=True)
    name = serializers.CharField(max_length=120)

    class Meta:
        model = SavedRecipe
        fields = ["id", "name", "preset", "recipe", "saved_at", "replace"]


class RecipeFileSerializer(serializers.Serializer[Any]):
    """A recipe as YAML, and the preset it changes where it names none."""

    yaml = serializers.CharField(max_length=100_000)
    preset = serializers.CharField(default="demo")


class ScheduleSerializer(serializers.ModelSerializer[Schedule]):
    """When a recipe starts by itself: `at` (and `weekday`, Monday = 0), or `after_rankings`."""

    recipe_name = serializers.CharField(source="recipe.name", read_only=True)
    words = serializers.SerializerMethodField(help_text="When, in words.")
    at = serializers.TimeField(allow_null=True, default=None)
    weekday = serializers.IntegerField(allow_null=True, default=None, min_value=0, max_value=6)
    after_rankings = serializers.IntegerField(
        allow_null=True, default=None, min_value=1, max_value=10**9
    )

    class Meta:
        model = Schedule
        fields = ["id", "recipe", "recipe_name", "words", "weekday", "at", "after_rankings",
                  "next_at", "rankings_then", "paused", "last_round", "failure"]  # fmt: skip
        read_only_fields = ["next_at", "rankings_then", "paused", "last_round", "failure"]

    def get_words(self, schedule: Schedule) -> str:
        return in_words(
            weekday=schedule.weekday, at=schedule.at, after_rankings=schedule.after_rankings
        )


class RetrySerializer(serializers.Serializer[Any]):
    """`afresh`: from the failed stage's beginning instead of its last saved state.

    `recipe` changes settings of stages that are not finished: `{"ppo": {"learning_rate": 5e-6}}`.
    """

    afresh = serializers.BooleanField(default=False)
    recipe = serializers.JSONField(default=dict)
    yaml = serializers.CharField(
        default="", allow_blank=True, max_length=100_000, help_text="The same as `recipe`, as YAML."
    )


class ReasonSerializer(serializers.Serializer[Any]):
    """Why."""

    reason = serializers.CharField(max_length=400, allow_blank=True, default="")


class PromoteSerializer(serializers.Serializer[Any]):
    """The role to play, and why."""

    role = serializers.ChoiceField(choices=Promotion.Role.choices, default=Promotion.Role.POLICY)
    reason = serializers.CharField(max_length=400, allow_blank=True, default="")
