"""The lead's pages in the admin: everybody who labels, one person, and all of it as CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone

from accounts.models import Role, User
from labeling.intervals import Interval
from labeling.models import Demonstration, LabelerProfile, PeopleCount, Ranking
from labeling.people.people_reads import SHARES, Person, days_of, people
from labeling.people.standing import acts_for
from labeling.task_kinds import TaskKind

PER_PAGE = 40
_DAYS, _LABELS = 28, 20
_TEXTS = {
    "assess": "They get screening tasks alone until somebody activates them.",
    "train": "They get screening tasks alone until somebody activates them.",
    "activate": "Tasks come to them from now on.",
    "pause": "No new task comes to them. What they have begun they may finish; what was only "
    "reserved for them is free at once.",
    "resume": "Tasks come to them again.",
    "leave": "They cannot log in any more, and what they hold is free at once. Their labels stay.",
    "come_back": "They can log in again, and tasks come to them.",
}


class _Echo:
    """A file that gives back what is written."""

    def write(self, line: str) -> str:
        return line


def people_page(request: HttpRequest) -> dict[str, Any]:
    """Everybody, the worst news first, a page at a time."""
    chosen = _chosen(request)
    pages = Paginator(people(**chosen), PER_PAGE)
    count = PeopleCount.objects.first()
    return {
        "title": "Labelers",
        "page": pages.get_page(request.GET.get("p")),
        "counted": count and count.counted_until,
        "states": LabelerProfile.State.choices,
        "groups": LabelerProfile.Group.choices,
        "chosen": chosen,
        "query": _query(request),
        "has_labelers": User.objects.filter(role=Role.LABELER).exists(),
    }


def person_page(request: HttpRequest, pk: int) -> dict[str, Any]:
    """One labeler: figures, days, latest labels, and what can be done. Raises Http404."""
    labeler = User.objects.filter(pk=pk, role=Role.LABELER).first()
    if labeler is None:
        raise Http404
    [found] = [one for one in people(name=labeler.username) if one.pk == pk]
    profile = LabelerProfile.objects.filter(user=labeler).first()
    tables = (("ranking", Ranking), ("demonstration", Demonstration))
    return {
        "title": labeler.username,
        "person": found,
        "profile": profile,
        "email": labeler.email,
        "acts": _acts(found),
        "shares": [(_SHARE_TITLES[name], found.shares[name]) for name in SHARES],
        "medians": [(TaskKind(kind).label, took) for kind, took in found.medians.items()],
        "days": days_of(labeler, _DAYS),
        "labels": [
            (
                kind,
                table._default_manager.filter(labeler=labeler).select_related("prompt")[:_LABELS],
            )
            for kind, table in tables
        ],
    }


_SHARE_TITLES = {
    "skipped": "Skipped, of tasks",
    "contradictory": "Contradictory, of rankings",
    "too_fast": "Faster than anybody reads, of rankings",
    "sent_back": "Sent back, of labels",
}


def people_csv(request: HttpRequest) -> StreamingHttpResponse:
    """The same rows as a file, all of them."""
    writer = csv.writer(_Echo())
    lines = (writer.writerow(line) for line in _lines(people(**_chosen(request))))
    day = timezone.localdate().isoformat()
    headers = {"Content-Disposition": f'attachment; filename="labelers-{day}.csv"'}
    return StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8", headers=headers)


def _lines(found: list[Person]) -> Iterator[list[Any]]:
    shares = ("agreement", "ability", "tied", *SHARES)
    yield [
        "name", "state", "group", "languages", "declined_topics", "today", "week", "labels",
        "active_hours", *(f"median_seconds_{kind}" for kind in TaskKind.values),
        *(f"{name}{end}" for name in shares for end in ("", "_low", "_high")), "comparisons",
        "last_seen", "news",
    ]  # fmt: skip
    for one in found:
        figures = [one.agreement, one.ability, one.tied, *(one.shares[name] for name in SHARES)]
        yield [
            _cell(one.name), one.state, one.group, " ".join(one.languages),
            _cell("; ".join(one.declined)), one.today, one.week, one.labels,
            round(one.hours, 2), *(one.medians.get(kind, "") for kind in TaskKind.values),
            *(part for figure in figures for part in _parts(figure)), one.comparisons,
            one.last_seen.isoformat() if one.last_seen else "",
            "; ".join(news.says for news in one.news),
        ]  # fmt: skip


def _cell(text: str) -> str:
    """A spreadsheet takes what begins so for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _parts(figure: Interval | None) -> list[Any]:
    if figure is None:
        return ["", "", ""]
    return [round(part, 4) for part in (figure.estimate, figure.low, figure.high)]


def _chosen(request: HttpRequest) -> dict[str, Any]:
    asked = request.GET
    return {
        "states": [one for one in asked.getlist("state") if one in LabelerProfile.State.values],
        "group": asked.get("group", "")
        if asked.get("group") in LabelerProfile.Group.values
        else "",
        "name": asked.get("name", "").strip(),
    }


def _query(request: HttpRequest) -> str:
    """What is asked for but the page, for the links to other pages."""
    asked = request.GET.copy()
    asked.pop("p", None)
    return asked.urlencode()


def _acts(found: Person) -> list[dict[str, str]]:
    url = reverse("labeler-state", args=[found.pk])
    return [
        {
            "url": url,
            "label": words,
            "title": f"{words}: {found.name}?",
            "text": _TEXTS[name],
            "body": f'{{"act": "{name}"}}',
            "style": "button-danger" if name == "leave" else "",
        }
        for name, words in acts_for(found.state).items()
    ]
