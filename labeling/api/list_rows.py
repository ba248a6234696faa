"""The rows of the lists: the ids, names and pseudonyms that exports carry."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.fields import (
    BooleanField,
    CharField,
    DateTimeField,
    DictField,
    IntegerField,
    ListField,
)

from labeling.api.serializers import MessageShape, PairBody
from labeling.exports.training_rows import labeler_of
from labeling.models import Completion, Demonstration, LabelerProfile, Prompt, Queue, Ranking

Shape = serializers.Serializer


class PromptRow(serializers.ModelSerializer[Prompt]):
    messages = MessageShape(many=True)
    examples = PairBody(many=True)

    class Meta:
        model = Prompt
        fields = ["id", "messages", "kind", "instruction", "examples", "use_case", "topic",
                  "language", "author", "organisation", "source", "split", "state", "duplicate_of",
                  "supersedes", "priority", "created_at"]  # fmt: skip


class CompletionRow(Shape[Any]):
    """What a model answered, and how it was asked. Null version: the answer was imported."""

    id = IntegerField()
    position = IntegerField(help_text="In sampling order, from 0.")
    version = IntegerField(source="version_id", allow_null=True)
    policy = serializers.SerializerMethodField(help_text="The version's name, or who is said.")
    text = CharField()
    finish_reason = CharField()
    sampling = DictField()
    seed = IntegerField()
    prompt_tokens = IntegerField()
    completion_tokens = IntegerField()

    def get_policy(self, completion: Completion) -> str | None:
        version = completion.version
        return version.name if version else completion.sampling.get("model")


class TaskRow(Shape[Any]):
    """A task. `labels` of `labels_wanted` have been given."""

    id = IntegerField()
    kind = CharField()
    purpose = CharField()
    prompt = IntegerField(source="prompt_id", allow_null=True)
    state = CharField()
    priority = IntegerField()
    policy = CharField(source="policy.name", default=None, help_text="Who was asked, by name.")
    evaluation = IntegerField(source="head_to_head_id", allow_null=True)
    set = CharField(source="origin.of.name", default=None)
    row = CharField(source="origin.row", default=None, help_text="Its id in the imported set.")
    labels = IntegerField(source="filled")
    labels_wanted = IntegerField(source="wanted")
    disagreement = serializers.FloatField(allow_null=True)
    failure = CharField()
    created_at = DateTimeField()
    completions = CompletionRow(many=True)


class PlaceRow(Shape[Any]):
    """A completion's place: 1 is the best rank, equal ranks are a tie."""

    completion = IntegerField(source="completion_id")
    rank = IntegerField()
    rating = IntegerField(source="overall", allow_null=True)
    flags = ListField(child=CharField())


class LabelRow(Shape[Any]):
    """A demonstration (`response`) or a ranking (`places`, `shown`: completions as they were
    shown, from the first)."""

    id = IntegerField()
    kind = serializers.SerializerMethodField()
    task = IntegerField(source="task_id")
    prompt = IntegerField(source="prompt_id")
    purpose = CharField(source="task.purpose")
    split = CharField(source="prompt.split")
    use_case = CharField(source="prompt.use_case")
    language = CharField(source="prompt.language")
    labeler = serializers.SerializerMethodField(help_text="The pseudonym that exports carry.")
    group = CharField(help_text="When the label was given.")
    guideline = IntegerField(source="guideline.version", default=None)
    form = IntegerField(source="form.version", default=None)
    policy = CharField(source="task.policy.name", default=None)
    evaluation = IntegerField(source="task.head_to_head_id", default=None)
    set = CharField(source="task.origin.of.name", default=None)
    row = CharField(source="task.origin.row", default=None)
    active_seconds = IntegerField()
    created_at = DateTimeField()
    counts = serializers.SerializerMethodField()
    excluded_reason = CharField()
    supersedes = IntegerField(source="supersedes_id", allow_null=True)
    response = CharField(source="text", default=None)
    places = PlaceRow(source="ranked", many=True, default=None)
    shown = ListField(source="display_order", child=IntegerField(), default=None)

    def get_kind(self, label: Demonstration | Ranking) -> str:
        return str(label._meta.model_name)

    def get_counts(self, label: Demonstration | Ranking) -> bool:
        return label.excluded_at is None

    def get_labeler(self, label: Demonstration | Ranking) -> str:
        origin = label.task.origin
        if origin and "labeler" in origin.said:
            return str(origin.said["labeler"])
        pseudonym = label.labeler and label.labeler.pseudonym
        of = (origin.of.name, origin.labeler) if origin else (None, None)
        return str(self.context["name_of"](labeler_of(pseudonym, *of)))


class QueueRow(serializers.ModelSerializer[Queue]):
    class Meta:
        model = Queue
        fields = ["id", "kind", "purpose", "ready", "overlap", "completions", "max_new_tokens",
                  "temperature", "mixture", "paused", "draining", "targets", "rules"]  # fmt: skip


class LabelerRow(Shape[Any]):
    """A labeler under the pseudonym that exports carry; the name is for admins alone."""

    id = serializers.SerializerMethodField()
    name = serializers.SerializerMethodField(help_text="Null for researchers.")
    group = serializers.ChoiceField(LabelerProfile.Group.choices)
    active = BooleanField(source="is_active")
    rankings = IntegerField(help_text="Of labels that count.")
    demonstrations = IntegerField()
    since = DateTimeField(source="date_joined")

    def get_id(self, labeler: Any) -> str:
        return str(self.context["name_of"](str(labeler.pseudonym)))

    def get_name(self, labeler: Any) -> str | None:
        return labeler.username if self.context["names"] else None
