"""Data out, in the admin and for admins alone: the pages of exports and of erasing a person."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from unfold.decorators import display

from accounts.admin.base import AdminsOnly
from core.problems import Problem
from labeling.exports import FILES, SHAPES, SOURCES, SPLITS
from labeling.models import Guideline, UseCase
from labeling.origins import origins
from models_service.models import Kind, ModelVersion
from trainer.data.erasure import Traces, trace
from trainer.models import Erasure, Export, TrainingRound

STATE_COLOURS = {
    "Queued": "info",
    "Being written": "primary",
    "Finished": "success",
    "Failed": "danger",
    "Cleaned up": "",
    "Withdrawn": "warning",
}
FOUND_TITLES = {
    "prompts": "Prompts they wrote",
    "staged": "Rows by them in imports under way, all of which end",
    "tasks": "Tasks of these prompts",
    "completions": "Answers of models to these prompts",
    "demonstrations": "Demonstrations by them or of these prompts",
    "rankings": "Rankings by them or of these prompts",
    "drafts": "Assignments with their drafts",
    "reports": "Reports about tasks",
    "reviews": "Words of reviewers about their work",
    "snapshots": "Snapshots, to be destroyed",
    "versions": "Models that learned from them, to be marked",
    "runs": "Runs on these snapshots",
    "samples": "Samples of these runs",
    "log_lines": "Log lines of these runs",
    "exports": "Exports on disk, all of them",
    "log_entries": "Entries of the site's own log",
    "sessions": "Sessions",
    "tokens": "API tokens",
}


@admin.register(Export)
class ExportAdmin(AdminsOnly):
    empty_hint = "choose what to hand to another trainer."
    list_display = ("__str__", "file", "split", "state_label", "rows", "requested_by", "created_at")
    list_filter = ("state", "what")
    list_select_related = ("requested_by",)

    @display(description="State", label=STATE_COLOURS, ordering="state")
    def state_label(self, export: Export) -> str:
        return export.get_state_display()

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The form that asks for an export."""
        rounds = TrainingRound.objects.filter(snapshot__erased_at=None).exclude(snapshot=None)
        return self.page(
            request,
            "trainer/export_form.html",
            {
                "title": "Export labels",
                "shapes": SHAPES,
                "files": {name: file.title for name, file in FILES.items()},
                "splits": SPLITS,
                "rounds": rounds[:200],
                "guidelines": Guideline.objects.filter(
                    kind__in={source.kind for source in SOURCES.values()}
                ),
                "origins": origins(),
                "policies": ModelVersion.objects.exclude(kind=Kind.REWARD),
                "use_cases": UseCase.choices,
            },
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The page that follows an export and hands it out."""
        found = get_object_or_404(Export, pk=object_id if object_id.isdigit() else None)
        context = {"title": str(found), "export": found, "file": FILES[found.file].title}
        return self.page(request, "trainer/export.html", context)


@admin.register(Erasure)
class ErasureAdmin(AdminsOnly):
    empty_hint = "nobody has asked to be forgotten."
    list_display = ("__str__", "prompts", "labels", "by", "at")
    list_select_related = ("by",)
    fields = ("at", "by", "found")

    @display(description="Prompts")
    def prompts(self, erasure: Erasure) -> int:
        return int(erasure.found["prompts"])

    @display(description="Labels")
    def labels(self, erasure: Erasure) -> int:
        return int(erasure.found["demonstrations"] + erasure.found["rankings"])

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Asks for a name, shows everything there is of that person, and asks again."""
        person = request.GET.get("person", "").strip()
        traces, refusal = _traced(person)
        return self.page(
            request,
            "trainer/erase.html",
            {
                "title": "Erase a person",
                "person": person,
                "account": traces.account if traces else None,
                "found": _shown(traces) if traces else [],
                "refusal": refusal,
            },
        )


def _traced(person: str) -> tuple[Traces | None, str]:
    """What there is of the person, or why it cannot be erased."""
    if not person:
        return None, ""
    try:
        traces = trace(person)
    except Problem as problem:
        return None, str(problem.detail)
    if traces:
        return traces, ""
    return None, "There is neither an account nor a prompt's author of that name."


def _shown(traces: Traces) -> list[tuple[str, int, str]]:
    """Title, count and the first ids of each kind that is there."""
    values, counts = traces.as_dict(), traces.counts()
    rows = []
    for name, title in FOUND_TITLES.items():
        if count := counts[name]:
            ids = values[name][:12] if isinstance(values[name], list) else []
            more = " …" if isinstance(values[name], list) and count > len(ids) else ""
            rows.append((title, count, ", ".join(map(str, ids)) + more))
    return rows
