"""Who labels, in the admin: groups and wishes, and how far they agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone

from accounts.admin.base import SiteAdmin
from accounts.audit import Act
from accounts.models import User
from labeling.admin.people_pages import people_csv, people_page, person_page
from labeling.models import LabelerProfile, UseCase
from labeling.people.agreement import PAPER
from labeling.people.agreement_figures import (
    BREAKDOWNS,
    Overlap,
    Pair,
    flag_agreement,
    matrix,
    overall,
    parts,
    with_themselves,
)
from labeling.people.agreement_reads import MOST_TASKS, flag_names, overlaps, repeats
from labeling.people.labelers import obstacle_to_group

MOST_IN_MATRIX = 40


class LabelerProfileForm(ModelForm):
    """Says what a change of groups does, and refuses one that would make figures untrue."""

    class Meta:
        help_texts: ClassVar = {
            "group": "Held-out labelers judge models and never train them. Labels keep the group "
            "they were given in; a change holds for those to come."
        }

    def clean(self) -> dict[str, Any]:
        """Refuse as `change_group` would."""
        found = super().clean() or self.cleaned_data
        labeler = found.get("user") or self.instance.user
        if reason := obstacle_to_group(labeler, found.get("group", "")):
            self.add_error("group", reason)
        return found


@admin.register(LabelerProfile)
class LabelerProfileAdmin(SiteAdmin):
    act = Act.LABELER_CHANGED
    form = LabelerProfileForm
    list_display = ("user", "group", "declined_topics")
    list_filter = ("group",)
    list_select_related = ("user",)

    def get_urls(self) -> list[URLPattern]:
        """The table's own addresses, and pages of agreement, of one person, and the file."""
        guarded = self.admin_site.admin_view
        return [
            path("agreement/", guarded(self.agreement_view), name="labeling_agreement"),
            path("people.csv", guarded(self.csv_view), name="labeling_people_csv"),
            path("person/<int:pk>/", guarded(self.person_view), name="labeling_person"),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Everybody who labels: from the accounts, not from the rows of this table."""
        return self._page(request, "labeling/people/people.html", people_page(request))

    def person_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One labeler, with their labels and what can be done. 404 where there is none."""
        return self._page(request, "labeling/people/person.html", person_page(request, pk))

    def csv_view(self, request: HttpRequest) -> HttpResponseBase:
        """The same as a file."""
        self._demand(request)
        return people_csv(request)

    def agreement_view(self, request: HttpRequest) -> HttpResponse:
        """How far labelers agree with each other and with themselves."""
        return self._page(request, "labeling/agreement.html", agreement_page(request))

    def _page(self, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
        """A page of our own in the frame of the site."""
        self._demand(request)
        frame = self.admin_site.each_context(request)
        return TemplateResponse(request, template, {**frame, "opts": self.opts, **context})

    def _demand(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied


@dataclass(frozen=True)
class Cell:
    """What two labelers have to do with each other, None where no task is common; `shade` goes from
    1, the most agreement, to 5."""

    pair: Pair | None
    shade: int = 0


def agreement_page(request: HttpRequest) -> dict[str, Any]:
    """What the page of agreement shows; `?by=` says what it is taken apart by."""
    by = request.GET.get("by", "")
    by = by if by in BREAKDOWNS else "use_case"
    tasks = overlaps()
    whole, flags = overall(tasks), dict(flag_names())
    titles = _titles(by, flags)
    return {
        "title": "Agreement between labelers",
        "now": timezone.now(),
        "most_tasks": MOST_TASKS,
        "paper": PAPER,
        "whole": whole,
        "by": by,
        "breakdowns": [(name, title) for name, (title, _) in BREAKDOWNS.items()],
        "of": BREAKDOWNS[by][0],
        "parts": [
            (titles.get(name, name), part, part.beside(whole))
            for name, part in parts(tasks, by).items()
        ],
        "flags": [(flags[one.flag], one) for one in flag_agreement(tasks, flags)],
        "matrix": _matrix(tasks),
        "most_in_matrix": MOST_IN_MATRIX,
        "oneself": _oneself(),
    }


def _titles(by: str, flags: dict[str, str]) -> dict[str, str]:
    if by == "flag":
        return flags
    if by == "use_case":
        return {str(name): str(label) for name, label in UseCase.choices}
    groups = {str(name): str(label) for name, label in LabelerProfile.Group.choices}
    return groups if by == "group" else {}


def _matrix(tasks: list[Overlap]) -> list[tuple[str, list[Cell]]]:
    """A row for each of the labelers with the most comparisons, the same in columns."""
    pairs = {(pair.first, pair.second): pair for pair in matrix(tasks)}
    made: dict[int, int] = {}
    for pair in pairs.values():
        for labeler in (pair.first, pair.second):
            made[labeler] = made.get(labeler, 0) + pair.comparisons
    most = sorted(made, key=lambda labeler: -made[labeler])[:MOST_IN_MATRIX]
    names = _names(most)
    shown = sorted(most, key=lambda labeler: names[labeler].casefold())
    return [
        (names[row], [_cell(pairs.get((min(row, of), max(row, of)))) for of in shown])
        for row in shown
    ]


def _cell(pair: Pair | None) -> Cell:
    if pair is None or pair.rate is None:
        return Cell(None)
    # From 1/2, which is chance, to 1 in five steps.
    return Cell(pair, 5 - max(0, min(4, int((pair.rate.estimate - 0.5) * 10))))


def _oneself() -> list[tuple[str, Any]]:
    found = with_themselves(repeats())
    names = _names(found)
    return [(names[labeler], figures) for labeler, figures in found.items()]


def _names(labelers: Any) -> dict[int, str]:
    return dict(User.objects.filter(pk__in=[*labelers]).values_list("pk", "username"))
