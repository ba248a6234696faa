"""Recipes and schedules in the admin: what can be started again, and what starts by itself."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from unfold.decorators import display

from accounts.admin.base import RecordAdmin
from trainer.algorithms.stages import STAGES
from trainer.models import SavedRecipe, Schedule
from trainer.rounds.due_times import WEEKDAYS, in_words
from trainer.rounds.recipes import to_yaml
from trainer.rounds.schedules import count_rankings

STATES = {"Waiting": "success", "Paused": "warning", "Could not start": "danger"}


class _OwnPages(RecordAdmin):
    """Tables whose rows are made and shown on pages of our own."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_view_permission(request)

    def page(self, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
        """One of our own pages in the admin's frame."""
        frame = self.admin_site.each_context(request)
        return TemplateResponse(request, template, {**frame, "opts": self.opts, **context})


@admin.register(SavedRecipe)
class SavedRecipeAdmin(_OwnPages):
    empty_hint = "the form that starts a round saves its settings as one."
    empty_button = "Open the form"
    list_display = ("name", "preset", "stages", "saved_by", "saved_at")
    list_select_related = ("saved_by",)
    search_fields = ("name",)

    @display(description="Stages")
    def stages(self, recipe: SavedRecipe) -> str:
        return ", ".join(STAGES[stage].title for stage in recipe.recipe["stages"])

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """A recipe is saved from the form that starts a round."""
        return redirect("admin:trainer_traininground_add")

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """What the recipe says, and what can be done with it."""
        saved = get_object_or_404(SavedRecipe, pk=object_id if object_id.isdigit() else None)
        return self.page(
            request,
            "trainer/recipe.html",
            {
                "title": str(saved),
                "recipe": saved,
                "yaml": to_yaml(saved.preset, saved.recipe),
                "schedules": [(one, words(one)) for one in saved.schedules.all()],
            },
        )


@admin.register(Schedule)
class ScheduleAdmin(_OwnPages):
    empty_hint = "a schedule starts a saved recipe every week, or after so many new rankings."
    list_display = ("when", "recipe", "state_label", "next_start", "last_round", "failure")
    list_select_related = ("recipe", "last_round")

    @display(description="When")
    def when(self, schedule: Schedule) -> str:
        return words(schedule)

    @display(description="State", label=STATES)
    def state_label(self, schedule: Schedule) -> str:
        if schedule.paused:
            return "Paused"
        return "Could not start" if schedule.failure else "Waiting"

    @display(description="Next start")
    def next_start(self, schedule: Schedule) -> Any:
        return "–" if schedule.paused else schedule.next_at or _rankings_left(schedule)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The form that adds a schedule."""
        return self.page(
            request,
            "trainer/schedule_form.html",
            {
                "title": "Schedule rounds",
                "recipes": SavedRecipe.objects.all(),
                "chosen": request.GET.get("recipe", ""),
                "weekdays": list(enumerate(WEEKDAYS)),
                "zone": _zone(),
            },
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """When it starts next, how it went last, and what can be done with it."""
        found = get_object_or_404(
            Schedule.objects.select_related("recipe", "last_round", "made_by"),
            pk=object_id if object_id.isdigit() else None,
        )
        return self.page(
            request,
            "trainer/schedule.html",
            {
                "title": words(found),
                "schedule": found,
                "left": _rankings_left(found),
                "zone": _zone(),
                "list": reverse("admin:trainer_schedule_changelist"),
            },
        )


def words(schedule: Schedule) -> str:
    """When it starts, as people say it."""
    return in_words(
        weekday=schedule.weekday, at=schedule.at, after_rankings=schedule.after_rankings
    )


def _rankings_left(schedule: Schedule) -> str:
    if not schedule.after_rankings:
        return ""
    left = max(0, schedule.after_rankings - (count_rankings() - schedule.rankings_then))
    return f"after {left} more rankings"


def _zone() -> str:
    return timezone.get_current_timezone_name()
