"""The shapes of the API's bodies and answers; they check form, services check meaning."""

from __future__ import annotations

from typing import Any

from django.utils.module_loading import import_string
from drf_spectacular.utils import PolymorphicProxySerializer
from rest_framework import serializers

from labeling.models import UseCase
from labeling.models.guidelines import Purpose
from labeling.models.prompts import Prompt
from labeling.task_kinds import TASK_KINDS, kind_choices

Body = serializers.Serializer


class KindField(serializers.ChoiceField):
    """A kind of task. A serializer copies its fields by making them anew, so the table is read
    each time."""

    def __init__(self, **options: Any) -> None:
        super().__init__(kind_choices(), **options)


class ClaimBody(Body):
    kinds = serializers.ListField(child=KindField(), allow_empty=False, max_length=20)
    purposes = serializers.ListField(
        child=serializers.ChoiceField(Purpose.choices), required=False, allow_empty=False
    )


class DraftBody(Body):
    draft = serializers.DictField()
    draft_version = serializers.IntegerField(min_value=0)


class ReleaseBody(Body):
    reason = serializers.CharField(max_length=400)


class UseCaseBody(Body):
    use_case = serializers.ChoiceField(UseCase.choices)


class ReportBody(Body):
    text = serializers.CharField(max_length=2000)


class ReportShape(Body):
    id = serializers.IntegerField()
    text = serializers.CharField()
    created_at = serializers.DateTimeField()


class Topics(Body):
    declined_topics = serializers.ListField(child=serializers.CharField(), max_length=1000)


class FlagBody(Body):
    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    group = serializers.CharField()
    key = serializers.CharField(max_length=1)


class FormBody(Body):
    """`scale` is `{"name": "overall", "label": ..., "from": 1, "to": 7}`."""

    scale = serializers.DictField()
    flags = FlagBody(many=True)


class FormShape(Body):
    version = serializers.IntegerField()


class RatingBody(Body):
    overall = serializers.IntegerField(min_value=1, max_value=7)
    flags = serializers.ListField(child=serializers.CharField(), required=False)


class RankingBody(Body):
    ranking = serializers.ListField(child=serializers.ListField(child=serializers.CharField()))
    ratings = serializers.DictField(child=RatingBody())
    active_seconds = serializers.FloatField(min_value=0, required=False)


class DemonstrationBody(Body):
    text = serializers.CharField(trim_whitespace=False)
    active_seconds = serializers.FloatField(min_value=0, required=False)


class PairBody(Body):
    input = serializers.CharField()
    output = serializers.CharField()


class WrittenPromptBody(Body):
    prompt_kind = serializers.ChoiceField(Prompt.Kind.choices)
    instruction = serializers.CharField()
    examples = PairBody(many=True, required=False)
    use_case = serializers.ChoiceField(UseCase.choices)
    active_seconds = serializers.FloatField(min_value=0, required=False)


SubmitBody = PolymorphicProxySerializer(
    component_name="Submission",
    # A function, since the paths can only be followed once this module is there.
    serializers=lambda: [import_string(kind.body) for kind in TASK_KINDS.values()],
    resource_type_field_name=None,
)


class MessageShape(Body):
    role = serializers.ChoiceField(["system", "user", "assistant"])
    content = serializers.CharField()


class GuidelineLink(Body):
    version = serializers.IntegerField()
    url = serializers.CharField()


class PromptShape(Body):
    id = serializers.IntegerField(allow_null=True)
    messages = MessageShape(many=True)
    use_case = serializers.CharField(allow_null=True)


class CompletionShape(Body):
    id = serializers.CharField()
    text = serializers.CharField()
    cut = serializers.BooleanField(help_text="Whether the length limit ended the text.")


class AssignmentShape(Body):
    id = serializers.IntegerField()
    kind = KindField()
    purpose = serializers.ChoiceField(Purpose.choices)
    lease_expires_at = serializers.DateTimeField()
    draft = serializers.DictField()
    draft_version = serializers.IntegerField()
    guideline = GuidelineLink(allow_null=True)
    prompt = PromptShape()
    completions = CompletionShape(many=True)


class DraftVersion(Body):
    draft_version = serializers.IntegerField()


class Lease(Body):
    lease_expires_at = serializers.DateTimeField()


class Ended(Body):
    id = serializers.IntegerField()
    state = serializers.CharField()
    submitted_at = serializers.DateTimeField(allow_null=True)
    next = serializers.IntegerField(
        allow_null=True,
        required=False,
        help_text="If asked for: the assignment that has begun, or null when it has been lost.",
    )


class NextQuery(Body):
    next = serializers.IntegerField(
        required=False, help_text="The reserved assignment to go on with."
    )


class GuidelineShape(Body):
    id = serializers.IntegerField()
    kind = serializers.CharField()
    purpose = serializers.CharField()
    version = serializers.IntegerField()
    text = serializers.CharField()


class GuidelineBody(Body):
    """The next version of the guideline of one kind of work and purpose, in Markdown."""

    kind = KindField()
    purpose = serializers.ChoiceField(Purpose.choices, default=Purpose.TRAINING)
    text = serializers.CharField(trim_whitespace=False)


class PromptBody(Body):
    """One prompt; `prompt` or `text` may stand in for messages."""

    messages = MessageShape(many=True, required=False)
    prompt = serializers.CharField(required=False)
    kind = serializers.ChoiceField(Prompt.Kind.choices, required=False)
    instruction = serializers.CharField(required=False)
    examples = PairBody(many=True, required=False)
    use_case = serializers.ChoiceField(UseCase.choices, required=False)
    topic = serializers.CharField(required=False)
    language = serializers.CharField(required=False)
    author = serializers.CharField(required=False)
    organisation = serializers.CharField(required=False)


class PromptsAdded(Body):
    added = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    near_duplicates = serializers.IntegerField()
    over_limit = serializers.IntegerField()
    quarantined = serializers.IntegerField()


class SaidBody(Body):
    text = serializers.CharField(max_length=2000)


class ReasonBody(Body):
    reason = serializers.CharField(max_length=400)


class Counts(Body):
    id = serializers.IntegerField()
    counts = serializers.BooleanField()


class AdjudicateBody(Body):
    """A ranking of the task by its id, or a new one: completion ids in tiers, best first."""

    ranking = serializers.IntegerField(required=False)
    tiers = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField(), allow_empty=False),
        required=False,
    )


class Stands(Body):
    ranking = serializers.IntegerField()


class ModeBody(Body):
    mode = serializers.ChoiceField(["running", "draining", "paused"])


class Changed(Body):
    """A change of many rows that can be undone, and how many."""

    change = serializers.IntegerField()
    count = serializers.IntegerField()
