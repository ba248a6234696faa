"""The filters of each list: a field's `source` is the look-up on the list's table."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.fields import BooleanField, CharField, ChoiceField, IntegerField

from accounts.models import User
from core.lists import Query
from labeling.api.serializers import KindField
from labeling.exports.pseudonyms import pseudonyms
from labeling.label_filters import moment
from labeling.models import LabelerProfile, LabelingTask, Prompt, UseCase
from labeling.models.guidelines import Purpose
from labeling.models.prompts import Split
from labeling.models.tasks import PURPOSES


@extend_schema_field({"type": "string", "example": "2026-01-31"})
class MomentField(serializers.Field[Any, Any, Any, Any]):
    """A moment or a day; of a day its beginning, or its end where `end`."""

    def __init__(self, *, end: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.end = end

    def to_internal_value(self, data: str) -> datetime:
        try:
            return moment(data, end=self.end)
        except ValueError:
            raise serializers.ValidationError(
                "Must be a day or a moment, such as 2026-01-31 or 2026-01-31T12:00:00Z."
            ) from None


@extend_schema_field({"type": "string"})
class LabelerField(serializers.Field[Any, Any, Any, Any]):
    """A labeler of this installation, by the pseudonym that exports carry."""

    def to_internal_value(self, data: str) -> int:
        name_of = pseudonyms()
        for pk, pseudonym in User.objects.values_list("pk", "pseudonym"):
            if name_of(str(pseudonym)) == data:
                return pk
        raise serializers.ValidationError(
            "Nobody here has this pseudonym; take one from labelers/ or from an export."
        )


class PromptQuery(Query):
    kind = ChoiceField(Prompt.Kind.choices)
    use_case = ChoiceField(UseCase.choices)
    topic = CharField()
    language = CharField()
    author = CharField()
    organisation = CharField()
    source: Any = ChoiceField(Prompt.Source.choices)
    split = ChoiceField(Split.choices)
    state = ChoiceField(Prompt.State.choices)
    since = MomentField(source="created_at__gte")
    until = MomentField(source="created_at__lt", end=True)


class TaskQuery(Query):
    kind = KindField()
    purpose = ChoiceField(PURPOSES)
    state = ChoiceField(LabelingTask.State.choices)
    prompt = IntegerField()
    use_case = ChoiceField(UseCase.choices, source="prompt__use_case")
    language = CharField(source="prompt__language")
    split = ChoiceField(Split.choices, source="prompt__split")
    policy = CharField(source="policy__name", help_text="A model version, by its name.")
    evaluation = IntegerField(source="head_to_head")
    set = CharField(source="origin__of__name", help_text="A set of imported labels, by its name.")
    since = MomentField(source="created_at__gte")
    until = MomentField(source="created_at__lt", end=True)


class LabelQuery(Query):
    kind = ChoiceField(["ranking", "demonstration"])
    purpose = ChoiceField(PURPOSES, source="task__purpose")
    task = IntegerField()
    prompt = IntegerField()
    use_case = ChoiceField(UseCase.choices, source="prompt__use_case")
    language = CharField(source="prompt__language")
    split = ChoiceField(Split.choices, source="prompt__split")
    labeler = LabelerField(help_text="A labeler of this installation, by pseudonym.")
    group = ChoiceField(LabelerProfile.Group.choices, help_text="When the label was given.")
    guideline = IntegerField(source="guideline__version", help_text="A version.")
    policy = CharField(source="task__policy__name", help_text="Who was asked, by name.")
    evaluation = IntegerField(source="task__head_to_head")
    set = CharField(source="task__origin__of__name")
    counts = BooleanField(source="excluded_at__isnull", help_text="False: it is excluded.")
    since = MomentField(source="created_at__gte")
    until = MomentField(source="created_at__lt", end=True)


class QueueQuery(Query):
    kind = KindField()
    purpose = ChoiceField(Purpose.choices)
    paused = BooleanField()
    draining = BooleanField()


class GuidelineQuery(Query):
    kind = KindField()
    purpose = ChoiceField(Purpose.choices)
    version = IntegerField()
    which = ChoiceField(["current", "all"], help_text="The newest of each kind unless all.")


class LabelerQuery(Query):
    id = LabelerField(source="pk")
    group = ChoiceField(LabelerProfile.Group.choices)
    active = BooleanField(source="is_active")
