"""The admin's first page and its side bar: what is running, what waits, where things are."""

from __future__ import annotations

from typing import Any, cast

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse

from accounts.models import Role, User
from accounts.permissions import may
from labeling.models import Demonstration, Prompt, Ranking, Slot
from labeling.queues import queue_reads, sampling_reads
from models_service.models import Promotion
from models_service.selectors import promoted
from models_service.worker_heartbeats import present
from trainer.admin.to_do import Waiting, counts_for, first_steps, waiting_for
from trainer.models import TrainingRound

Entry = tuple[str, str, str]
"""Title, icon, and a table or the name of a page."""

SIDEBAR: dict[str, list[Entry]] = {
    "Learning": [
        ("Rounds", "autorenew", "trainer.TrainingRound"),
        ("Recipes", "receipt_long", "trainer.SavedRecipe"),
        ("Schedules", "schedule", "trainer.Schedule"),
        ("Evaluations", "social_leaderboard", "labeling.HeadToHead"),
        ("Results", "scoreboard", "trainer.Evaluation"),
        ("Models", "deployed_code", "models_service.ModelVersion"),
        ("Promotions", "trending_up", "models_service.Promotion"),
        ("Snapshots", "inventory_2", "trainer.DatasetSnapshot"),
    ],
    "Labeling": [
        ("Queues", "stacks", "labeling.Queue"),
        ("Tasks", "checklist", "labeling.LabelingTask"),
        ("Prompts", "chat_bubble", "labeling.Prompt"),
        ("Completions", "smart_toy", "labeling.Completion"),
        ("Use cases", "bar_chart", "admin:labeling_prompt_use_cases"),
        ("Imports", "upload_file", "labeling.Import"),
        ("Quarantine", "privacy_tip", "labeling.QuarantinedPrompt"),
        ("Rankings", "format_list_numbered", "labeling.Ranking"),
        ("Demonstrations", "edit_note", "labeling.Demonstration"),
        ("Guidelines", "menu_book", "labeling.Guideline"),
        ("Changes", "undo", "labeling.BulkChange"),
        ("Rating forms", "checklist_rtl", "labeling.FormVersion"),
        ("Reports", "flag", "labeling.Report"),
        ("Exports", "download", "trainer.Export"),
    ],
    "People": [
        ("Accounts", "group", "accounts.User"),
        ("Labelers", "badge", "labeling.LabelerProfile"),
        ("API tokens", "key", "accounts.TokenGrant"),
        ("API limits", "speed", "labeling.ClientProfile"),
        ("Erasures", "person_remove", "trainer.Erasure"),
        ("Audit log", "history", "accounts.AuditEntry"),
    ],
}


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The side bar: every table that has a page, in groups."""
    home = {"title": "Admin", "icon": "space_dashboard", "link": reverse("admin:index")}
    playground = {"title": "Playground", "icon": "science", "link": reverse("playground")}
    first = [home, playground]
    if may(request.user, (Role.LABELER,)):
        first.append({"title": "Label", "icon": "rate_review", "link": reverse("work")})
    groups: list[dict[str, Any]] = [{"items": first}]
    waiting = counts_for(request.user) if isinstance(request.user, User) else {}
    for title, entries in SIDEBAR.items():
        items = [
            item | _badge(waiting.get(entry[2]))
            for entry in entries
            if (item := _item(request, entry))
        ]
        groups.append({"title": title, "separator": True, "items": items})
    return [group for group in groups if group["items"]]


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the admin's first page shows."""
    waiting, held_up_by = sampling_reads.waiting_and_why()
    return context | {
        "to_do": waiting_for(cast(User, request.user)),
        "steps": first_steps(),
        "policy": promoted(Promotion.Role.POLICY),
        "running": TrainingRound.objects.filter(state=TrainingRound.State.RUNNING).first(),
        "rounds": TrainingRound.objects.select_related("policy", "start")[:5],
        "free": queue_reads.slots_by_kind(Slot.State.FREE),
        "held": queue_reads.slots_by_kind(Slot.State.HELD),
        "sampling": waiting,
        "held_up_by": held_up_by,
        "spoken": sampling_reads.spoken_lately(),
        "workers": present(),
        "rankings": Ranking.objects.filter(excluded_at=None).count(),
        "demonstrations": Demonstration.objects.filter(excluded_at=None).count(),
        "prompts": Prompt.objects.filter(state=Prompt.State.ACTIVE).count(),
    }


def _badge(waiting: Waiting | None) -> dict[str, str]:
    if waiting is None:
        return {}
    return {"badge": waiting.number, "badge_variant": "danger" if waiting.bad else "warning"}


def _item(request: HttpRequest, entry: Entry) -> dict[str, str] | None:
    title, icon, label = entry
    if label.startswith("admin:"):
        return {"title": title, "icon": icon, "link": reverse(label)}
    model = apps.get_model(label)
    if not admin.site.is_registered(model):
        return None
    if not admin.site.get_model_admin(model).has_view_permission(request):
        return None
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
    return {"title": title, "icon": icon, "link": reverse(name)}
