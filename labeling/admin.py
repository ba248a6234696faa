"""Labeling at the desk: queues and guidelines to steer with, everything else to be read."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from django.contrib import admin, messages
from django.contrib.admin import EmptyFieldListFilter
from django.core.exceptions import ValidationError
from django.db.models import Count, Q, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import TabularInline
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.audit import Act
from accounts.desk import DeskAdmin, RecordAdmin
from accounts.models import User
from accounts.permissions import person
from accounts.problems import Problem
from labeling.models import (
    Assignment,
    Completion,
    Demonstration,
    FormVersion,
    Guideline,
    LabelerProfile,
    LabelingTask,
    Prompt,
    Queue,
    RankedCompletion,
    Ranking,
    Report,
    Slot,
)
from labeling.services.guidelines import publish_guideline
from labeling.services.mixtures import check
from labeling.services.reports import answer

_SHORT = 120


class _Lines(TabularInline):
    """Rows below a page, to be read."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class QueueForm(ModelForm):
    def clean(self) -> dict[str, Any]:
        """The mixture may name only versions that can speak."""
        values = super().clean() or {}
        values["mixture"] = values.get("mixture") or {}
        try:
            check(values["mixture"], kind=values.get("kind", self.instance.kind))
        except Problem as problem:
            self.add_error("mixture", str(problem.detail))
        return values


@admin.register(Queue)
class QueueAdmin(DeskAdmin):
    form = QueueForm
    act = Act.QUEUE_CHANGED
    list_display = ("__str__", "waiting", "held", "ready", "overlap", "completions", "paused")
    list_editable = ("ready", "overlap", "completions", "paused")
    fields = ("kind", "purpose", "ready", "overlap", "completions", "mixture", "paused")

    def get_readonly_fields(self, request: HttpRequest, obj: Queue | None = None) -> Any:
        return ("kind", "purpose") if obj else ()

    @display(description="Free slots")
    def waiting(self, queue: Queue) -> int:
        return _slots(queue).filter(state=Slot.State.FREE).count()

    @display(description="Held now")
    def held(self, queue: Queue) -> int:
        return _slots(queue).filter(state=Slot.State.HELD).count()


def _slots(queue: Queue) -> QuerySet[Slot]:
    return Slot.objects.filter(kind=queue.kind, purpose=queue.purpose)


@admin.register(Prompt)
class PromptAdmin(RecordAdmin):
    list_display = ("id", "says", "use_case", "kind", "split", "state", "source", "author")
    list_filter = ("state", "use_case", "kind", "split", "source", "topic")
    search_fields = ("messages", "=author", "=organisation")
    fields = (
        "messages", "instruction", "examples", "kind", "use_case", "topic", "language", "author",
        "organisation", "source", "split", "state", "duplicate_of", "priority", "created_at",
    )  # fmt: skip

    @display(description="Last message")
    def says(self, prompt: Prompt) -> str:
        return _short(prompt.last_message)


class CompletionLines(_Lines):
    model = Completion
    fields = ("position", "text", "version", "seed", "finish_reason", "completion_tokens")


class SlotLines(_Lines):
    model = Slot
    fields = ("number", "state", "labeler", "lease_expires_at")


@admin.register(LabelingTask)
class LabelingTaskAdmin(RecordAdmin):
    list_display = ("id", "kind", "purpose", "state", "progress", "policy", "created_at")
    list_filter = ("kind", "purpose", "state", "policy")
    list_select_related = ("policy",)
    search_fields = ("=id", "=prompt__id", "prompt__messages")
    inlines = (CompletionLines, SlotLines)
    fields = (
        "kind", "purpose", "prompt", "brief", "state", "priority", "completions_wanted", "policy",
        "mixture", "seed", "sampling_since", "failure", "created_at",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[LabelingTask]:
        filled = Count("slots", filter=Q(slots__state=Slot.State.FILLED))
        rows = super().get_queryset(request)
        return rows.annotate(wanted=Count("slots"), filled=filled)

    @display(description="Labels")
    def progress(self, task: Any) -> str:
        return f"{task.filled} of {task.wanted}"


class _LabelAdmin(RecordAdmin):
    """What demonstrations and rankings have in common."""

    list_filter = ("labeler", "prompt__use_case", "prompt__split", "task__purpose", "created_at")
    list_select_related: tuple[str, ...] = ("labeler", "prompt", "guideline")

    @display(description="Prompt")
    def asked(self, label: Demonstration | Ranking) -> str:
        return _short(label.prompt.last_message)


@admin.register(Demonstration)
class DemonstrationAdmin(_LabelAdmin):
    list_display = ("id", "asked", "says", "labeler", "active_seconds", "created_at", "excluded_at")
    search_fields = ("text", "=prompt__id")
    fields = (
        "prompt", "text", "labeler", "guideline", "task", "active_seconds", "created_at",
        "excluded_at", "excluded_reason",
    )  # fmt: skip

    @display(description="Demonstration")
    def says(self, demonstration: Demonstration) -> str:
        return _short(demonstration.text)


class RankedLines(_Lines):
    model = RankedCompletion
    fields = ("rank", "overall", "flags", "completion_text", "version")
    readonly_fields = ("completion_text", "version")

    def get_queryset(self, request: HttpRequest) -> QuerySet[RankedCompletion]:
        return super().get_queryset(request).select_related("completion__version")

    @display(description="Completion")
    def completion_text(self, ranked: RankedCompletion) -> str:
        return ranked.completion.text

    @display(description="Answered by")
    def version(self, ranked: RankedCompletion) -> str:
        return str(ranked.completion.version)


@admin.register(Ranking)
class RankingAdmin(_LabelAdmin):
    list_display = ("id", "asked", "labeler", "active_seconds", "form", "created_at", "excluded_at")
    list_select_related = ("labeler", "prompt", "guideline", "form")
    search_fields = ("=id", "=prompt__id", "=task__id")
    inlines = (RankedLines,)
    fields = (
        "prompt", "labeler", "guideline", "form", "task", "display_order", "active_seconds",
        "created_at", "excluded_at", "excluded_reason",
    )  # fmt: skip


@admin.register(Assignment)
class AssignmentAdmin(RecordAdmin):
    list_display = (
        "id", "labeler", "task", "state", "claimed_at", "lease_expires_at", "ended_at",
        "release_reason",
    )  # fmt: skip
    list_filter = ("state", "task__kind", "labeler")
    list_select_related = ("labeler", "task")
    search_fields = ("=task__id", "release_reason")


@admin.register(Guideline)
class GuidelineAdmin(DeskAdmin):
    """A guideline is never edited: saving a new one publishes the next version."""

    list_display = ("__str__", "kind", "purpose", "version", "published_at")
    list_filter = ("kind", "purpose")

    def get_fields(self, request: HttpRequest, obj: Guideline | None = None) -> Any:
        return ("kind", "purpose", "version", "text") if obj else ("kind", "purpose", "text")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Guideline, form: Any, change: bool) -> None:
        published = publish_guideline(
            kind=obj.kind, purpose=obj.purpose, text=obj.text, by=person(request)
        )
        obj.pk, obj.version = published.pk, published.version


@admin.register(FormVersion)
class FormVersionAdmin(DeskAdmin):
    """A form is never edited: the page behind "add" publishes the next version."""

    list_display = ("__str__", "flags", "published_at")
    fields = ("version", "fields", "published_at")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The page with a row a flag and a preview."""
        return redirect("rating-form")

    @display(description="Flags")
    def flags(self, form: FormVersion) -> int:
        return len(form.fields["flags"])


class AnswerForm(ModelForm):
    class Meta:
        widgets: ClassVar = {"answer": UnfoldAdminTextareaWidget}

    def clean_answer(self) -> str:
        """An answer says something."""
        answer = str(self.cleaned_data["answer"])
        if not answer.strip():
            raise ValidationError("Write the answer first; it goes to the labeler's first page.")
        return answer


@admin.register(Report)
class ReportAdmin(DeskAdmin):
    """What labelers report; an answer resolves it and goes to the labeler."""

    form = AnswerForm
    list_display = ("id", "says", "labeler", "task", "created_at", "answered_at", "answered_by")
    list_filter = (("answered_at", EmptyFieldListFilter), "assignment__task__kind")
    list_select_related = ("assignment__labeler", "assignment__task", "answered_by")
    search_fields = ("text", "answer", "=assignment__task__id")
    fields = (
        "text", "labeler", "task", "created_at", "answer", "answered_at", "answered_by", "seen_at",
    )  # fmt: skip
    readonly_fields = (
        "text", "labeler", "task", "created_at", "answered_at", "answered_by", "seen_at",
    )  # fmt: skip

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Report | None = None) -> bool:
        allowed = super().has_change_permission(request, obj)
        return allowed and (obj is None or obj.answered_at is None)

    def save_model(self, request: HttpRequest, obj: Report, form: Any, change: bool) -> None:
        try:
            answer(report_id=obj.pk, by=cast(User, request.user), text=obj.answer)
        except Problem as problem:
            self.message_user(request, str(problem.detail), messages.ERROR)

    @display(description="Report")
    def says(self, report: Report) -> str:
        return _short(report.text)

    @display(description="Labeler")
    def labeler(self, report: Report) -> str:
        return str(report.assignment.labeler)

    @display(description="Task")
    def task(self, report: Report) -> str:
        address = reverse("admin:labeling_labelingtask_change", args=[report.assignment.task_id])
        return format_html('<a href="{}">{}</a>', address, report.assignment.task)


@admin.register(LabelerProfile)
class LabelerProfileAdmin(DeskAdmin):
    act = Act.LABELER_CHANGED
    list_display = ("user", "group", "declined_topics")
    list_filter = ("group",)
    list_select_related = ("user",)


def _short(text: str) -> str:
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}…"
