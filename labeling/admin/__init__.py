"""Labeling in the admin: guidelines, forms, reports and people here; the rest in its own rooms."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from django.contrib import admin, messages
from django.contrib.admin import EmptyFieldListFilter
from django.core.exceptions import ValidationError
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.html import format_html
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.admin.base import SiteAdmin
from accounts.audit import Act
from accounts.models import User
from core.problems import Problem
from labeling.admin import bulk as bulk
from labeling.admin import intake as intake
from labeling.admin import labels as labels
from labeling.admin import quarantine as quarantine
from labeling.admin import queues as queues
from labeling.admin import records as records
from labeling.admin.parts import short
from labeling.models import ClientProfile, FormVersion, Guideline, LabelerProfile, Report
from labeling.people.labelers import obstacle_to_group
from labeling.review.reports import answer


@admin.register(Guideline)
class GuidelineAdmin(SiteAdmin):
    """A guideline is never edited: the page behind "add" publishes the next version."""

    list_display = ("__str__", "kind", "purpose", "version", "published_at")
    list_filter = ("kind", "purpose")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The page with a preview and what changes."""
        return redirect("new-guideline")

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The version as it is read."""
        found = get_object_or_404(Guideline, pk=object_id if object_id.isdecimal() else None)
        return redirect("guideline", found.kind, found.purpose, found.version)


@admin.register(FormVersion)
class FormVersionAdmin(SiteAdmin):
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
class ReportAdmin(SiteAdmin):
    """What labelers report; an answer resolves it and goes to the labeler."""

    empty_hint = "what labelers report comes here."
    form = AnswerForm
    list_display = ("id", "says", "labeler", "task", "created_at", "answered_at", "answered_by")
    list_filter = (("answered_at", EmptyFieldListFilter), "assignment__task__kind")
    list_select_related = ("assignment__labeler", "assignment__task", "answered_by")
    search_fields = ("text", "answer", "=assignment__task__id")
    fields = (
        "text", "labeler", "task", "created_at", "answer", "answered_at", "answered_by", "seen_at",
    )  # fmt: skip
    readonly_fields = (
        "text",
        "labeler",
        "task",
        "created_at",
        "answered_at",
        "answered_by",
        "seen_at",
    )

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
        return short(report.text)

    @display(description="Labeler")
    def labeler(self, report: Report) -> str:
        return str(report.assignment.labeler)

    @display(description="Task")
    def task(self, report: Report) -> str:
        address = reverse("admin:labeling_labelingtask_change", args=[report.assignment.task_id])
        return format_html('<a href="{}">{}</a>', address, report.assignment.task)


class LabelerProfileForm(ModelForm):
    """Says what a change of groups does, and refuses one that would make figures untrue."""

    class Meta:
        help_texts: ClassVar = {
            "group": "Held-out labelers judge models and never train them. Labels keep the group "
            "they were given in; a change holds for those to come."
        }

    def clean(self) -> dict[str, Any]:
        """Refuse as `change_group` would."""
        found = super().clean() or self.cleaned_data
        labeler = found.get("user") or self.instance.user
        if reason := obstacle_to_group(labeler, found.get("group", "")):
            self.add_error("group", reason)
        return found


@admin.register(LabelerProfile)
class LabelerProfileAdmin(SiteAdmin):
    act = Act.LABELER_CHANGED
    form = LabelerProfileForm
    list_display = ("user", "group", "declined_topics")
    list_filter = ("group",)
    list_select_related = ("user",)


@admin.register(ClientProfile)
class ClientProfileAdmin(SiteAdmin):
    """Accounts whose programs may send more or fewer prompts a day than the setting says."""

    empty_hint = "an account without one sends what the setting allows."
    act = Act.ACCOUNT_CHANGED
    list_display = ("user", "prompts_per_day")
    list_select_related = ("user",)
    autocomplete_fields = ("user",)
