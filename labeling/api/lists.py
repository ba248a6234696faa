"""Lists for those who run the installation: tasks, labels, queues, labelers. Admins, researchers.

What is filtered by stands in `list_filters`, what a row says in `list_rows`; the lists of prompts
and guidelines stand with what else is done with them.
"""

from __future__ import annotations

from heapq import merge
from itertools import islice
from typing import Any

from django.db.models import Count, OuterRef, Prefetch, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from accounts.models import Role, User
from accounts.permissions import IsResearcher, may, person
from core.lists import ListView, Pages
from labeling.api import list_filters, list_rows
from labeling.exports.pseudonyms import pseudonyms
from labeling.intake.quarantine_reads import seen_by
from labeling.models import (
    Completion,
    Demonstration,
    LabelerProfile,
    LabelingTask,
    Queue,
    Ranking,
    Slot,
)


class Tasks(ListView):
    """Tasks with their completions and how many labels they have. Researchers."""

    permission_classes = [IsResearcher]
    serializer_class = list_rows.TaskRow
    query = list_filters.TaskQuery

    def get_queryset(self) -> QuerySet[Any]:
        slots = Slot.objects.filter(task=OuterRef("pk")).order_by().values("task")
        filled = slots.filter(state=Slot.State.FILLED)
        rows = LabelingTask.objects.select_related("policy", "head_to_head", "origin__of")
        answers = Completion.objects.select_related("version")
        counted = {
            "wanted": Coalesce(Subquery(slots.annotate(n=Count("pk")).values("n")), 0),
            "filled": Coalesce(Subquery(filled.annotate(n=Count("pk")).values("n")), 0),
        }
        shown = seen_by(rows, self.request.user, "prompt__")
        return shown.annotate(**counted).prefetch_related(Prefetch("completions", answers))


class _Both:
    """Demonstrations and rankings as one list, as far as pages need it."""

    def __init__(self, *tables: QuerySet[Any]) -> None:
        self.tables = tables

    def filter(self, *chosen: Q, **look_ups: Any) -> _Both:
        return _Both(*(table.filter(*chosen, **look_ups) for table in self.tables))

    def order_by(self, *fields: str) -> _Both:
        return _Both(*(table.order_by(*fields) for table in self.tables))

    def __getitem__(self, part: slice) -> list[Any]:
        """Tables are in the same order by task, and a task has labels of one table."""
        turned = any(table.query.order_by[0] == "-task_id" for table in self.tables)
        found = [table[: part.stop] for table in self.tables]
        ordered = merge(*found, key=lambda label: label.task_id, reverse=turned)
        return list(islice(ordered, part.start, part.stop))


class LabelPages(Pages):
    """By task, the order that both tables of labels share."""

    ordering = ("-task_id", "-pk")


class Labels(ListView):
    """Labels of every purpose, those of the newest tasks first. Researchers."""

    permission_classes = [IsResearcher]
    serializer_class = list_rows.LabelRow
    pagination_class = LabelPages
    query = list_filters.LabelQuery

    def get_queryset(self) -> Any:
        common = ("prompt", "labeler", "guideline", "task__policy", "task__origin__of")
        demonstrations = Demonstration.objects.select_related(*common)
        rankings = Ranking.objects.select_related(*common, "form").prefetch_related("ranked")
        tables = {"demonstration": demonstrations, "ranking": rankings}
        kind = self.wanted.pop("kind", None)
        chosen: list[QuerySet[Any]] = [tables[kind]] if kind else [*tables.values()]
        return _Both(*(seen_by(table, self.request.user, "prompt__") for table in chosen))

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "name_of": pseudonyms()}


class Queues(ListView):
    """Queues and how they are set. Researchers."""

    permission_classes = [IsResearcher]
    serializer_class = list_rows.QueueRow
    query = list_filters.QueueQuery
    queryset = Queue.objects.all()


class Labelers(ListView):
    """Labelers under their pseudonyms; admins also get the names. Researchers."""

    permission_classes = [IsResearcher]
    serializer_class = list_rows.LabelerRow
    query = list_filters.LabelerQuery

    def get_queryset(self) -> QuerySet[Any]:
        # Who has no profile yet is of the training group.
        group = Coalesce("labeler__group", Value(LabelerProfile.Group.TRAINING.value))
        people = User.objects.filter(role=Role.LABELER).annotate(group=group)
        return people.annotate(rankings=_count(Ranking), demonstrations=_count(Demonstration))

    def get_serializer_context(self) -> dict[str, Any]:
        names = may(person(self.request), ())
        return {**super().get_serializer_context(), "name_of": pseudonyms(), "names": names}


def _count(table: type[Ranking] | type[Demonstration]) -> Any:
    mine = table._default_manager.filter(labeler=OuterRef("pk"), excluded_at=None).order_by()
    return Coalesce(Subquery(mine.values("labeler").annotate(n=Count("pk")).values("n")), 0)
