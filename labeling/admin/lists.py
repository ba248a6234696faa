"""Long lists in the admin: searched by words, filtered, the newest first, whatever their length.

Columns cannot be sorted by: of a million rows only those first by an index come at once.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter, TextFilter

from accounts.admin.base import RecordAdmin
from accounts.models import User
from labeling import search
from labeling.intake import shapes
from labeling.intake.quarantine_reads import seen_by
from labeling.models import FormVersion, LabelerProfile, RankedCompletion
from labeling.work.contradictions import TITLES
from models_service.models import Kind, ModelVersion


class ListAdmin(RecordAdmin):
    """A table of very many rows."""

    list_filter_submit = True
    search_fields = ("pk",)  # for the search box; `condition` says what it does
    search_help_text = search.HELP
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()
    prompt = ""  # the path from a row to its prompt, such as "task__prompt__"

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Researchers see no personal data that was found and not released, nor what was said
        about it."""
        return seen_by(super().get_queryset(request), request.user, self.prompt)

    def condition(self, text: str) -> Q:
        """What a search for this text finds."""
        raise NotImplementedError

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        """The rows that the search finds, each once."""
        return (queryset.filter(self.condition(search_term)) if search_term else queryset), False

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """By day where days are chosen, so that the days' index gives the order as well."""
        by_day = any(name.startswith("created_at_") and request.GET[name] for name in request.GET)
        return ("-created_at", "-pk") if by_day else ("-pk",)


class Exactly(TextFilter):
    """A value written out, for what has too many values for a list."""

    field: str

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        value = (self.value() or "").strip()
        return queryset.filter(**{self.field: value}) if value else queryset


class Author(Exactly):
    title = "author"
    parameter_name = field = "author"


class Organisation(Exactly):
    title = "organisation"
    parameter_name = field = "organisation"


class Topic(Exactly):
    title = "topic"
    parameter_name = field = "topic"


class Language(Exactly):
    title = "language, a code as en or zh"
    parameter_name = field = "language"


class Shape(DropdownFilter):
    """What roles the turns have: some chat templates refuse some shapes."""

    title = "shape"
    parameter_name = "shape"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return shapes.TITLES.items()

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        shape = self.value()
        return shapes.of_shape(queryset, shape) if shape in shapes.TITLES else queryset


class Labeler(TextFilter):
    title = "labeler"
    parameter_name = "labeler"

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        name = (self.value() or "").strip()
        people = User.objects.filter(username__iexact=name).values_list("pk", flat=True)
        return queryset.filter(labeler__in=list(people)) if name else queryset


class Doubt(DropdownFilter):
    """What was found in a ranking that its labeler may not have meant."""

    title = "doubt"
    parameter_name = "doubt"
    TOO_FAST = "too_fast"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [*TITLES.items(), (self.TOO_FAST, "Faster than anybody reads")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() == self.TOO_FAST:
            return queryset.filter(too_fast=True)
        if self.value() in TITLES:
            return queryset.filter(contradictions__contains=[self.value()])
        return queryset


class Group(DropdownFilter):
    title = "group of the labeler at the time"
    parameter_name = "group"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return LabelerProfile.Group.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        known = self.value() in LabelerProfile.Group.values
        return queryset.filter(group=self.value()) if known else queryset


class Counts(DropdownFilter):
    title = "whether it counts"
    parameter_name = "counts"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [("yes", "Counts"), ("no", "Excluded")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() not in ("yes", "no"):
            return queryset
        return queryset.filter(excluded_at__isnull=self.value() == "yes")


class Choice(ChoicesDropdownFilter):
    """One of a field's choices; the choices alone are read, never the table."""


class Version(DropdownFilter):
    """Who answered, or was to answer: a model version."""

    title = "model version"
    parameter_name = "version"
    field: str

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        versions = ModelVersion.objects.exclude(kind=Kind.REWARD).order_by("-pk")
        return [(str(pk), name) for pk, name in versions.values_list("pk", "name")[:500]]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        value = self.value() or ""
        return queryset.filter(**{self.field: int(value)}) if value.isdecimal() else queryset


class Flag(DropdownFilter):
    """Whether somebody set this flag of the rating form."""

    title = "flag"
    parameter_name = "flag"
    path: str
    """From a ranked completion to the number of the list's row."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        forms = FormVersion.objects.order_by("version").values_list("fields", flat=True)
        return {flag["name"]: flag["label"] for form in forms for flag in form["flags"]}.items()

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if not self.value():
            return queryset
        flagged = RankedCompletion.objects.filter(flags__contains=[self.value()])
        return queryset.filter(search.listed(flagged, self.path))


class Disagreement(DropdownFilter):
    """How much the labelers of a task disagree about its completions."""

    title = "rank disagreement"
    parameter_name = "disagreement"
    field: str

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [("0", "Any"), *((str(n), f"At least {n} % of the pairs") for n in (10, 25, 50))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        value = self.value() or ""
        if not value.isdecimal():
            return queryset
        least = int(value) / 100
        bounds = {f"{self.field}__gt": 0, f"{self.field}__gte": least}
        return queryset.filter(**bounds)


def of(base: type[Any], **values: str) -> type[Any]:
    """A filter for one list: the base class with its field or path."""
    return type(base.__name__, (base,), values)
