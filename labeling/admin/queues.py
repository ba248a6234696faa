"""Queues in the admin: how much waits, what comes next and why, and the controls."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.decorators import display

from accounts.admin.base import SiteAdmin
from accounts.audit import Act
from core.problems import Problem
from labeling.admin.queue_fields import mixture_field, rules_field, targets_field
from labeling.models import Queue
from labeling.queues import next_prompts, queue_reads
from labeling.queues.mixtures import check
from labeling.queues.steering import check_rules, check_targets
from models_service.models import Promotion
from models_service.selectors import promoted

_MODES = {
    "running": {
        "label": "Run",
        "title": "Let the queue run?",
        "text": "Labelers get its tasks, and new ones are drawn when fewer are ready than wanted.",
        "body": '{"mode": "running"}',
    },
    "draining": {
        "label": "Drain",
        "title": "Drain the queue?",
        "text": "Labelers finish what is open; nothing new is drawn until it runs again.",
        "body": '{"mode": "draining"}',
    },
    "paused": {
        "label": "Pause",
        "title": "Pause the queue?",
        "text": "Nobody gets a task from it until it runs again. What is held now may be finished.",
        "body": '{"mode": "paused"}',
    },
}
_FIELDS = (
    "kind", "purpose", "ready", "overlap", "completions", "max_new_tokens", "temperature",
    "mixture", "targets", "rules",
)  # fmt: skip
_BADGES = {"running": "badge-good", "draining": "badge-warn", "paused": "badge-warn"}


class QueueForm(ModelForm):
    class Meta:
        model = Queue
        fields = [*_FIELDS]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = {
            "mixture": mixture_field(self.instance.mixture),
            "targets": targets_field(),
            "rules": rules_field(),
        }
        for name in rows.keys() & self.fields.keys():
            usual, self.fields[name] = self.fields[name], rows[name]
            rows[name].label, rows[name].help_text = usual.label, usual.help_text

    def clean(self) -> dict[str, Any]:
        """Mixture, targets and rules may name only what is there."""
        values = super().clean() or {}
        kind = values.get("kind", self.instance.kind)
        self._check("mixture", lambda: check(values["mixture"], kind=kind))
        self._check("targets", lambda: check_targets(values["targets"]))
        self._check("rules", lambda: check_rules(values["rules"]))
        return values

    def _check(self, name: str, look: Any) -> None:
        if name not in self.fields or name in self.errors:
            return
        try:
            look()
        except Problem as problem:
            self.add_error(name, str(problem.detail))


class QueueRow(ModelForm):
    """A row of the list; each field says whose it is, for those who hear the page."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs["aria-label"] = f"{field.label}, {self.instance}"


@admin.register(Queue)
class QueueAdmin(SiteAdmin):
    form = QueueForm
    act = Act.QUEUE_CHANGED
    list_display = (
        "__str__",
        "mode",
        "waiting",
        "held",
        "oldest",
        "ready",
        "overlap",
        "completions",
    )
    list_editable = ("ready", "overlap", "completions")
    fields = _FIELDS

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> Any:
        """The fields of a row, named."""
        return super().get_changelist_form(request, form=QueueRow, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Queue | None = None) -> Any:
        return ("kind", "purpose") if obj else ()

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The settings below what the queue does now."""
        queue = self.get_object(request, object_id)
        now = _now(queue) if queue and request.method == "GET" else None
        return super().change_view(request, object_id, form_url, {"now": now})

    @display(description="State", label={"Draining": "warning", "Paused": "warning"})
    def mode(self, queue: Queue) -> str:
        return _mode(queue).title()

    @display(description="Free slots")
    def waiting(self, queue: Any) -> str:
        return _counted(_depth(queue).free)

    @display(description="Held now")
    def held(self, queue: Any) -> str:
        return _counted(_depth(queue).held)

    @display(description="Oldest waits since")
    def oldest(self, queue: Any) -> Any:
        return _depth(queue).oldest


def _depth(queue: Any) -> queue_reads.Depth:
    """What waits, asked once for the columns of a row."""
    if not hasattr(queue, "depth_now"):
        queue.depth_now = queue_reads.depth(queue)
    return queue.depth_now


def _counted(count: int) -> str:
    return f"{count:,} or more" if count >= queue_reads.BOUND else f"{count:,}"


def _mode(queue: Queue) -> str:
    return "paused" if queue.paused else "draining" if queue.draining else "running"


def _now(queue: Queue) -> dict[str, Any]:
    mode, (hour, mean) = _mode(queue), queue_reads.labeled_per_hour(queue)
    return {
        "mode": mode.title(),
        "badge": _BADGES[mode],
        "acts": _acts(queue, mode),
        "depth": queue_reads.depth(queue),
        "bound": queue_reads.BOUND,
        "hour": hour,
        "mean": mean,
        "ranks": queue.of_kind.compares,
        "slots": queue_reads.next_slots(queue),
        "drawn": queue_reads.next_drawn(queue, promoted(Promotion.Role.POLICY)),
        "shares": queue_reads.shares(queue),
        "latest": next_prompts.LATEST,
    }


def _acts(queue: Queue, mode: str) -> list[dict[str, str]]:
    url = reverse("queue-mode", args=[queue.pk])
    others = [words | {"url": url} for name, words in _MODES.items() if name != mode]
    expire = {
        "label": "Expire what waits",
        "title": "Expire what waits in this queue?",
        "text": "Tasks that nobody holds or has labeled are withdrawn. Under Changes this can be "
        "undone.",
        "body": "{}",
        "style": "button-danger",
        "url": reverse("queue-expire", args=[queue.pk]),
    }
    return [*others, expire]
