"""Acting on many rows of a table: a page says in words what will happen to how many, then it does.

What was there before is kept; the message that says it was done leads to where it is undone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from unfold.decorators import display

from accounts.admin.base import RecordAdmin
from accounts.models import User
from accounts.permissions import person
from core.problems import Problem
from labeling.models import BulkChange, Prompt, UseCase
from labeling.queues import steering

Apply = Callable[[QuerySet, Any, User], BulkChange | int]
"""What is done; a number of rows where it cannot be undone."""


@dataclass(frozen=True)
class Bulk:
    """One thing to do with the chosen rows; `{value}` in the words is what the form says."""

    name: str
    title: str
    text: str
    apply: Apply
    field: forms.Field | None = None
    afterwards: str = "This can be undone."

    def action(self) -> Callable[..., Any]:
        """As the admin site calls it."""

        def act(page: Any, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
            return _run(self, page, request, queryset)

        act.__name__ = self.name
        act.short_description = self.title  # type: ignore[attr-defined]
        return act


def _run(bulk: Bulk, page: Any, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
    form = _form(bulk, request)
    if "apply" in request.POST and form.is_valid():
        try:
            change = bulk.apply(queryset, form.cleaned_data.get("value"), person(request))
        except Problem as problem:
            form.add_error(None, str(problem.detail))
        else:
            _say(request, change)
            return None
    context = {
        **page.admin_site.each_context(request),
        "title": f"{bulk.title}?",
        "opts": page.opts,
        "bulk": bulk,
        "form": form,
        "count": queryset.count(),
        "chosen": request.POST.getlist(ACTION_CHECKBOX_NAME),
        "across": request.POST.get("select_across", "0"),
        "examples": [str(row) for row in queryset[:5]],
    }
    return TemplateResponse(request, "labeling/bulk.html", context)


def _form(bulk: Bulk, request: HttpRequest) -> forms.Form:
    fields = {"value": bulk.field} if bulk.field else {}
    made: type[forms.Form] = type("BulkForm", (forms.Form,), fields)
    return made(request.POST if "apply" in request.POST else None)


def _say(request: HttpRequest, change: BulkChange | int) -> None:
    if isinstance(change, int):
        messages.success(request, f"{change} changed.")
        return
    link = reverse("admin:labeling_bulkchange_change", args=[change.pk])
    words = '{} {} changed. <a class="underline" href="{}">See it or undo it</a>.'
    messages.success(request, format_html(words, change.count, change.get_table_display(), link))


_PRIORITY = forms.IntegerField(label="Priority", min_value=-10_000, max_value=10_000)

PROMPT_ACTIONS = [
    Bulk(
        "set_priority",
        "Set the priority of prompts",
        "Prompts of a higher priority are drawn first.",
        lambda rows, value, by: steering.change_prompts(
            prompts=rows, field="priority", value=value, by=by
        ),
        _PRIORITY,
    ).action(),
    Bulk(
        "set_use_case",
        "Set the use case of prompts",
        "Their split stays as it is.",
        lambda rows, value, by: steering.change_prompts(
            prompts=rows, field="use_case", value=value, by=by
        ),
        forms.ChoiceField(label="Use case", choices=UseCase.choices),
    ).action(),
    Bulk(
        "withdraw",
        "Withdraw prompts",
        "They are drawn no more, what waits for labelers with them expires, and their labels enter "
        "no snapshot. Only active ones are withdrawn.",
        lambda rows, _, by: steering.change_prompts(
            prompts=rows, field="state", value=Prompt.State.WITHDRAWN, by=by
        ),
    ).action(),
    Bulk(
        "reactivate",
        "Make withdrawn prompts active",
        "They are drawn again. Quarantined prompts and duplicates stay as they are, and those that "
        "hold personal data where no admin asks.",
        lambda rows, _, by: steering.change_prompts(
            prompts=rows, field="state", value=Prompt.State.ACTIVE, by=by
        ),
    ).action(),
]
TASK_ACTIONS = [
    Bulk(
        "set_priority",
        "Set the priority of tasks",
        "Tasks of a higher priority are handed out first.",
        lambda rows, value, by: steering.prioritise_tasks(tasks=rows, priority=value, by=by),
        _PRIORITY,
    ).action(),
    Bulk(
        "expire",
        "Expire tasks",
        "Tasks that nobody holds or has labeled are withdrawn; the others stay.",
        lambda rows, _, by: steering.expire_tasks(tasks=rows, by=by),
    ).action(),
]


@admin.register(BulkChange)
class BulkChangeAdmin(RecordAdmin):
    """Changes of many rows, and where they are undone."""

    empty_hint = (
        "tick rows of a list of prompts or tasks and choose an action; it can be undone here."
    )
    list_display = ("__str__", "said", "by", "at", "undone_at")
    list_select_related = ("by",)
    change_form_template = "labeling/change.html"
    fields = ("said", "by", "at", "undone_at")
    readonly_fields = fields

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The change, and the button that undoes it."""
        undo = reverse("change-undo", args=[object_id]) if object_id.isdecimal() else ""
        return super().change_view(request, object_id, form_url, {"undo": undo})

    @display(description="What")
    def said(self, change: BulkChange) -> str:
        return f"{change.field} of {change.count} {change.get_table_display()}: {change.value}"
