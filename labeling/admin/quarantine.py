"""The quarantine: prompts that hold personal data, redacted, released or dropped. Admins."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display

from accounts.admin.base import AdminsOnly, DayRange
from labeling.admin.bulk import Bulk
from labeling.admin.lists import Author, Choice
from labeling.intake import quarantine
from labeling.intake import quarantine_reads as selectors
from labeling.intake.privacy import Kind
from labeling.models import BulkChange, Prompt, QuarantinedPrompt

_AROUND = 60  # characters shown beside what was found


class Holds(DropdownFilter):
    title = "what was found"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [(kind.value, _words(kind)) for kind in Kind]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        kind = self.value()
        return queryset.filter(spans__contains=[{"kind": kind}]) if kind else queryset


ACTIONS = [
    Bulk(
        "redact",
        "Redact prompts",
        "A placeholder such as [EMAIL] takes the place of what was found, and the prompts go on.",
        lambda rows, _, by: quarantine.redact_all(prompts=rows, by=by),
        afterwards="What is redacted is destroyed: this cannot be undone.",
    ).action(),
    Bulk(
        "release",
        "Release prompts",
        "They go on as they are: what was found in them can be asked, learned and exported.",
        lambda rows, reason, by: quarantine.release(prompts=rows, reason=reason, by=by),
        forms.CharField(label="Reason, such as: invented addresses", max_length=400),
    ).action(),
    Bulk(
        "drop",
        "Drop prompts",
        "They are withdrawn and never asked.",
        lambda rows, _, by: quarantine.drop(prompts=rows, by=by),
    ).action(),
]


@admin.register(QuarantinedPrompt)
class QuarantineAdmin(AdminsOnly):
    empty_hint = "a prompt in which personal data is found waits here for a decision."
    actions = ACTIONS
    list_display = ("id", "found", "says", "use_case", "source", "author", "created_at")
    list_filter = (
        Holds,
        ("source", Choice),
        ("use_case", Choice),
        Author,
        ("created_at", DayRange),
    )
    list_filter_submit = True
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()
    list_before_template = "labeling/quarantine_counts.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).filter(state=Prompt.State.QUARANTINED)

    def has_add_permission(self, request: HttpRequest) -> bool:  # type: ignore[override]
        return False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list below how many there are of each kind."""
        kinds = [(kind, _words(kind), count) for kind, count in selectors.counts()]
        context = {"kinds": kinds, "done": _done(request)}
        filters = request.GET.copy()
        filters.pop("change", None)  # what the list would take for a filter
        request.GET = filters  # type: ignore[assignment]
        return super().changelist_view(request, context)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """One prompt with what was found marked, and the texts that would take its place."""
        prompt = get_object_or_404(Prompt, pk=object_id if object_id.isdigit() else None)
        before, after = selectors.neighbours(prompt)
        return self.page(
            request,
            "labeling/quarantined.html",
            {
                "title": str(prompt),
                "prompt": prompt,
                "waits": prompt.state == Prompt.State.QUARANTINED,
                "parts": selectors.marked(prompt),
                "before": before,
                "after": after,
                "left": Prompt.objects.filter(state=Prompt.State.QUARANTINED).count(),
                "done": _done(request),
                "list": reverse("admin:labeling_quarantinedprompt_changelist"),
            },
        )

    @display(description="Found", label=True)
    def found(self, prompt: Prompt) -> list[str]:
        return sorted({_words(span["kind"]) for span in prompt.spans})

    @display(description="Where")
    def says(self, prompt: Prompt) -> str:
        """The first of it, and what stands around it."""
        for part in selectors.marked(prompt):
            for at, piece in enumerate(part.pieces):
                if piece.kind:
                    before = part.pieces[at - 1].text[-_AROUND:] if at else ""
                    after = part.pieces[at + 1].text[:_AROUND] if part.pieces[at + 1 :] else ""
                    return f"{before}{piece.text}{after}"
        return ""


def _done(request: HttpRequest) -> BulkChange | None:
    """What was done on the page before, to be undone from here."""
    pk = request.GET.get("change", "")
    return BulkChange.objects.filter(pk=int(pk), undone_at=None).first() if pk.isdigit() else None


def _words(kind: str) -> str:
    words = {
        Kind.IBAN: "IBAN",
        Kind.IP: "IP address",
        Kind.EMAIL: "E-mail address",
        Kind.UNREAD: "Too long to be searched whole",
    }
    return words.get(Kind(kind), str(kind).replace("_", " ").capitalize())
