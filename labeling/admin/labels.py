"""Demonstrations and rankings in the admin: a page of each with its provenance, and review."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.decorators import display

from accounts.admin.base import DayRange
from labeling import search
from labeling.admin.lists import (
    Choice,
    Counts,
    Disagreement,
    Doubt,
    Flag,
    Group,
    Labeler,
    ListAdmin,
    Version,
    of,
)
from labeling.admin.parts import number, short
from labeling.intake.quarantine_reads import seen_by
from labeling.models import Demonstration, LabelingTask, Prompt, Ranking
from labeling.people.erasure import REASON as ERASED
from labeling.review import review_reads

_ACTS: dict[str, dict[str, str]] = {
    "comment": {
        "label": "Comment",
        "title": "Tell the labeler something?",
        "text": "It is shown at the labeler's home. The label stays as it is.",
        "field": "text",
        "field_label": "Comment",
    },
    "send-back": {
        "label": "Send back",
        "title": "Send the label back?",
        "text": "It is excluded, and its labeler gets the task again with what was submitted as "
        "the draft. Restoring it takes this back.",
        "field": "text",
        "field_label": "What should be different",
    },
    "exclude": {
        "label": "Exclude",
        "title": "Exclude the label?",
        "text": "It enters no snapshot and no export. It stays here and can be restored.",
        "field": "reason",
        "field_label": "Reason",
        "style": "button-danger",
    },
}
_RESTORE = {
    "label": "Restore",
    "title": "Restore the label?",
    "text": "It counts again from the next snapshot on.",
}


_FILTERS = (
    Labeler,
    Group,
    Counts,
    ("prompt__use_case", Choice),
    ("prompt__split", Choice),
    ("task__purpose", Choice),
    of(Version, field="task__policy"),
)


class LabelAdmin(ListAdmin):
    """What demonstrations and rankings have in common."""

    list_filter: tuple[Any, ...] = (*_FILTERS, ("created_at", DayRange))
    list_select_related: tuple[str, ...] = ("labeler", "prompt")
    prompt = "prompt__"

    @display(description="Prompt")
    def asked(self, label: Demonstration | Ranking) -> str:
        return short(label.prompt.last_message)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The label with its provenance, and what can be done about it."""
        rows = self.get_queryset(request).select_related(*review_reads.PROVENANCE[self.model])
        label = get_object_or_404(rows, pk=object_id if object_id.isdecimal() else None)
        context = {"title": str(label), "acts": _acts(label), **review_reads.surroundings(label)}
        return self.page(request, "labeling/review.html", context)

    def page(self, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
        """A page of our own in the frame of the site."""
        frame = self.admin_site.each_context(request)
        return TemplateResponse(request, template, {**frame, "opts": self.opts, **context})


@admin.register(Demonstration)
class DemonstrationAdmin(LabelAdmin):
    empty_hint = "open a queue and invite labelers, or simulate some."
    list_display = ("id", "asked", "says", "labeler", "active_seconds", "created_at", "excluded_at")

    def condition(self, text: str) -> Q:
        """Words or the number of the demonstration, or the number of its prompt."""
        return search.found(text, among=Demonstration.objects.all()) | number(text, "prompt")

    @display(description="Demonstration")
    def says(self, demonstration: Demonstration) -> str:
        return short(demonstration.text)


@admin.register(Ranking)
class RankingAdmin(LabelAdmin):
    empty_hint = "open a queue and invite labelers, or simulate some."
    list_display = ("id", "asked", "labeler", "active_seconds", "form", "created_at", "excluded_at")
    list_select_related = ("labeler", "prompt", "form")
    list_filter = (
        *_FILTERS,
        Doubt,
        of(Flag, path="ranking"),
        of(Disagreement, field="task__disagreement"),
        ("created_at", DayRange),
    )

    def condition(self, text: str) -> Q:
        """Words of the prompt, or the number of the ranking, its prompt or its task."""
        by_prompt = search.found(text, among=Prompt.objects.all(), path="prompt")
        return by_prompt | number(text) | number(text, "task")

    def get_urls(self) -> list[URLPattern]:
        compare = self.admin_site.admin_view(self.adjudicate_view)
        own = [path("adjudicate/<int:task>/", compare, name="labeling_adjudicate")]
        return own + super().get_urls()

    def adjudicate_view(self, request: HttpRequest, task: int) -> HttpResponse:
        """The rankings of one task side by side."""
        tasks = seen_by(LabelingTask.objects.select_related("prompt"), request.user, "prompt__")
        found = get_object_or_404(tasks, pk=task)
        rankings = review_reads.standing(found)
        return self.page(
            request,
            "labeling/adjudicate.html",
            {
                "title": f"Rankings of task {found.pk}",
                "task": found,
                "rankings": rankings,
                "rows": review_reads.side_by_side(found, rankings),
                "url": reverse("task-adjudicate", args=[found.pk]),
            },
        )


def _acts(label: Demonstration | Ranking) -> list[dict[str, str]]:
    if label.excluded_reason == ERASED:
        names = {}
    elif label.excluded_at:
        names = {"restore": _RESTORE}
    elif label.assignment_id is None:
        names = {"exclude": _ACTS["exclude"]}
    else:
        names = _ACTS
    kind = label._meta.model_name
    return [
        words | {"url": reverse(f"{kind}-{act}", args=[label.pk])} for act, words in names.items()
    ]
