"""The researcher's pages in the admin: rounds, the form that starts one, snapshots."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from unfold.decorators import display

from accounts.admin.base import RecordAdmin
from trainer.models import DatasetSnapshot, TrainingRound
from trainer.rounds import reads
from trainer.rounds.start_form import start_form
from trainer.runs import monitoring

STATE_COLOURS = {
    "Queued": "info",
    "Running": "primary",
    "Paused": "warning",
    "Finished": "success",
    "Failed": "danger",
    "Cancelled": "",
}


_OTHERS = 50
# What each button of a round's page says and asks; the name up to its dash is the API's.
ACTIONS = {
    "pause": {
        "label": "Pause",
        "title": "Pause the round?",
        "text": "It stops after the step at hand and keeps its state; another round may go first.",
    },
    "resume": {
        "label": "Resume",
        "title": "Resume the round?",
        "text": "It goes on where it was, once no other round is running.",
    },
    "cancel": {
        "label": "Cancel",
        "title": "Cancel the round?",
        "text": "It ends after the step at hand. What it made stays, its last state too.",
        "style": "button-danger",
    },
    "retry": {
        "label": "Retry",
        "title": "Go on with the round?",
        "text": "The stage it stopped in goes on from its last saved state.",
        "body": '{"afresh": false}',
    },
    "retry-afresh": {
        "label": "Retry from the stage's beginning",
        "title": "Do the stage again?",
        "text": "The progress of the stage it stopped in is discarded; finished stages are kept.",
        "body": '{"afresh": true}',
    },
    "retry-settings": {
        "label": "Retry with other settings",
        "title": "Go on with other settings?",
        "text": "Settings of stages that are not finished can be changed. A stage whose result "
        "they change begins anew; finished stages are kept.",
        "settings": "yes",
    },
}


@admin.register(TrainingRound)
class TrainingRoundAdmin(RecordAdmin):
    empty_hint = "collect rankings and demonstrations, or simulate some, then start one."
    list_display = ("title", "preset", "state_label", "in_line", "stage", "alarms", "policy",
                    "started_by", "created_at")  # fmt: skip
    list_filter = ("state", "preset")
    list_select_related = ("policy", "started_by")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_view_permission(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[TrainingRound]:
        return super().get_queryset(request).prefetch_related("runs")

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list, with the alarms of its rounds read at once."""
        listed = super().get_changelist_instance(request)
        rung = monitoring.alarms_of(listed.result_list)
        for round in listed.result_list:
            round.rung = rung.get(round.pk, [])
        return listed

    @display(description="Round")
    def title(self, round: TrainingRound) -> str:
        return str(round)

    @display(description="State", label=STATE_COLOURS, ordering="state")
    def state_label(self, round: TrainingRound) -> str:
        return round.get_state_display()

    @display(description="In line")
    def in_line(self, round: TrainingRound) -> str:
        ahead = reads.ahead(round)
        return "–" if ahead is None else f"{ahead} before it"

    @display(description="Alarms")
    def alarms(self, round: TrainingRound) -> str:
        return ", ".join(alarm.title for alarm in getattr(round, "rung", ())) or "–"

    @display(description="Stage")
    def stage(self, round: TrainingRound) -> str:
        run = next((run for run in reversed(round.runs.all()) if run.started_at), None)
        if run is None:
            return "–"
        return f"{run.get_stage_display()}, step {run.step} of {run.total_steps}"

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The form that starts a round."""
        form = start_form(request.GET.dict())
        return self._page(request, "trainer/start.html", {"title": "Start a round", "form": form})

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The page that follows a round."""
        round = get_object_or_404(
            TrainingRound.objects.select_related("start", "snapshot", "started_by"),
            pk=object_id if object_id.isdigit() else None,
        )
        return self._page(
            request,
            "trainer/round.html",
            {
                "title": str(round),
                "round": round,
                "actions": ACTIONS,
                "stages": reads.stage_titles(round),
                "on_policy": reads.on_policy_share(round),
                "filters": [
                    (name.replace("_", " "), _plainly(value))
                    for name, value in round.recipe.get("labels", {}).items()
                ],
                "others": _others(round),
                "settings": reads.settings_by_stage(round),
            },
        )

    def _page(self, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
        frame = self.admin_site.each_context(request)
        return TemplateResponse(request, template, {**frame, "opts": self.opts, **context})


def _others(round: TrainingRound) -> QuerySet[TrainingRound]:
    """Rounds whose curves can be laid over this one's."""
    return TrainingRound.objects.exclude(pk=round.pk).filter(started_at__isnull=False)[:_OTHERS]


def _plainly(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


@admin.register(DatasetSnapshot)
class DatasetSnapshotAdmin(RecordAdmin):
    empty_hint = "a round freezes the labels it learns from into one."
    list_display = ("filename", "demonstrations", "rankings", "created_at", "erased_at")
    fields = ("filename", "sha256", "counts", "filters", "created_at", "erased_at")
    readonly_fields = fields

    @display(description="Demonstrations (train / validation)")
    def demonstrations(self, snapshot: DatasetSnapshot) -> str:
        return _by_split(snapshot, "demonstration")

    @display(description="Rankings (train / validation)")
    def rankings(self, snapshot: DatasetSnapshot) -> str:
        return _by_split(snapshot, "ranking")


def _by_split(snapshot: DatasetSnapshot, kind: str) -> str:
    counts = snapshot.counts.get(kind, {})
    return f"{counts.get('train', 0)} / {counts.get('validation', 0)}"
