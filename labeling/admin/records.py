"""Prompts, tasks, completions and assignments in the admin: found, read, changed in bulk."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from unfold.decorators import display

from accounts.admin.base import DayRange
from labeling import search
from labeling.admin.bulk import PROMPT_ACTIONS, TASK_ACTIONS
from labeling.admin.lists import (
    Author,
    Choice,
    Disagreement,
    Flag,
    Labeler,
    Language,
    ListAdmin,
    Organisation,
    Shape,
    Topic,
    Version,
    of,
)
from labeling.admin.parts import Lines, number, short
from labeling.models import Assignment, Completion, LabelingTask, Prompt, Slot
from labeling.queues.use_case_shares import spread


@admin.register(Prompt)
class PromptAdmin(ListAdmin):
    empty_hint = "import a file, or let labelers write some."
    actions = PROMPT_ACTIONS
    list_display = ("id", "says", "use_case", "kind", "split", "state", "source", "author")
    list_filter = (
        ("state", Choice), ("use_case", Choice), ("kind", Choice), ("split", Choice),
        ("source", Choice), Shape, Author, Organisation, Topic, Language,
        ("created_at", DayRange),
    )  # fmt: skip
    fields = (
        "messages", "instruction", "examples", "kind", "use_case", "topic", "language", "author",
        "organisation", "source", "split", "state", "duplicate_of", "priority", "created_at",
    )  # fmt: skip

    def condition(self, text: str) -> Q:
        """Words of the conversation, a whole author or organisation, or the number."""
        return search.found(text, among=Prompt.objects.all(), fields=("author", "organisation"))

    def get_urls(self) -> list[URLPattern]:
        """The list's own addresses, and the page of the use cases."""
        page = self.admin_site.admin_view(self.use_cases)
        return [path("use-cases/", page, name="labeling_prompt_use_cases"), *super().get_urls()]

    def use_cases(self, request: HttpRequest) -> HttpResponse:
        """How the prompts are spread over the use cases."""
        shares = spread()
        context = {
            **self.admin_site.each_context(request),
            "title": "Use cases",
            "opts": self.opts,
            "shares": shares,
            "total": sum(one.count for one in shares),
            "longest": max(max(one.had, one.wanted) for one in shares),
            "now": timezone.now(),
        }
        return TemplateResponse(request, "labeling/use_cases.html", context)

    @display(description="Last message")
    def says(self, prompt: Prompt) -> str:
        return short(prompt.last_message)


@admin.register(Completion)
class CompletionAdmin(ListAdmin):
    empty_hint = "they are sampled as soon as there are prompts and a policy."
    list_display = ("id", "says", "version", "task", "finish_reason", "created_at")
    list_filter = (
        of(Version, field="version"),
        of(Flag, path="completion"),
        ("created_at", DayRange),
    )
    list_select_related = ("version", "task")
    prompt = "task__prompt__"

    def condition(self, text: str) -> Q:
        """Words of the answer, or its number."""
        return search.found(text, among=Completion.objects.all())

    @display(description="Answer")
    def says(self, completion: Completion) -> str:
        return short(completion.text)


class CompletionLines(Lines):
    model = Completion
    fields = ("position", "text", "version", "seed", "finish_reason", "completion_tokens")


class SlotLines(Lines):
    model = Slot
    fields = ("number", "state", "labeler", "lease_expires_at")


@admin.register(LabelingTask)
class LabelingTaskAdmin(ListAdmin):
    empty_hint = "they open by themselves while there are prompts and their queue is open."
    actions = TASK_ACTIONS
    list_display = ("id", "kind", "purpose", "asked", "state", "progress", "policy", "created_at")
    list_filter = (
        ("kind", Choice),
        ("purpose", Choice),
        ("state", Choice),
        of(Version, field="policy"),
        of(Disagreement, field="disagreement"),
        ("created_at", DayRange),
    )
    list_select_related = ("policy", "prompt")
    inlines = (CompletionLines, SlotLines)
    prompt = "prompt__"
    fields = (
        "kind", "purpose", "prompt", "brief", "state", "priority", "completions_wanted", "policy",
        "mixture", "seed", "sampling_since", "failure", "disagreement", "created_at",
    )  # fmt: skip

    def condition(self, text: str) -> Q:
        """Words or the number of the prompt, or the task's own number."""
        by_prompt = search.found(text, among=Prompt.objects.all(), path="prompt")
        return by_prompt | number(text)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The page's rows, with their slots counted at once."""
        page = super().get_changelist_instance(request)
        page.result_list = tasks = list(page.result_list)
        slots = Slot.objects.filter(task__in=tasks).order_by().values_list("task")
        filled = Count("pk", filter=Q(state=Slot.State.FILLED))
        counts = {task: n for task, *n in slots.annotate(filled=filled, wanted=Count("pk"))}
        for task in tasks:
            task.filled, task.wanted = counts.get(task.pk, (0, 0))
        return page

    @display(description="Prompt")
    def asked(self, task: LabelingTask) -> str:
        return short(task.prompt.last_message) if task.prompt else "–"

    @display(description="Labels")
    def progress(self, task: Any) -> str:
        return f"{task.filled} of {task.wanted}"


@admin.register(Assignment)
class AssignmentAdmin(ListAdmin):
    empty_hint = "a labeler who takes a task from a queue gets one."
    list_display = (
        "id", "labeler", "task", "state", "claimed_at", "lease_expires_at", "ended_at",
        "release_reason",
    )  # fmt: skip
    list_filter = (("state", Choice), Labeler)
    list_select_related = ("labeler", "task")
    prompt = "task__prompt__"
    search_help_text = "The number of an assignment or of its task."

    def condition(self, text: str) -> Q:
        """The number of the assignment or of its task."""
        return number(text) | number(text, "task")
