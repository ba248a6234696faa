"""What is the labeler's own: what they submitted, and the topics they decline."""

from __future__ import annotations

from typing import Any, cast

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from accounts.models import Role, User
from accounts.permissions import allowed
from frontend import selectors
from labeling.models import Assignment, Ranking
from labeling.people.topics import topics_with
from labeling.queues.open_slots import profile_of
from labeling.task_kinds import kind_choices
from labeling.work import label_versions, my_work

PAGE = 50


@allowed(Role.LABELER)
@require_GET
def labels(request: HttpRequest) -> HttpResponse:
    """Everything I submitted, by day, the newest first; `?q=` searches, `?kind=` chooses."""
    words, kind = request.GET.get("q", "").replace("\0", "")[:200], request.GET.get("kind", "")
    found = my_work.submitted(_labeler(request), words=words, kind=kind)
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))
    return render(
        request,
        "mine/list.html",
        {"page": page, "words": words, "kind": kind, "kinds": kind_choices()},
    )


@allowed(Role.LABELER)
@require_GET
def label(request: HttpRequest, pk: int) -> HttpResponse:
    """One label as it was submitted, every version of it, and whether it may be amended."""
    mine = get_object_or_404(
        selectors.assignments_of(_labeler(request)), pk=pk, state=Assignment.State.SUBMITTED
    )
    versions = label_versions.outcomes(mine)
    return render(
        request,
        "mine/one.html",
        {
            "assignment": mine,
            "prompt": mine.task.prompt if mine.task.of_kind.has_prompt else None,
            "versions": [(len(versions) - at, _shown(one)) for at, one in enumerate(versions)],
            "until": label_versions.amend_until(mine),
            "amendable": label_versions.is_amendable(mine),
            "obstacle": label_versions.obstacle(versions[0], mine.task),
            "reports": mine.reports.all(),
            "reviews": mine.reviews.all(),
        },
    )


@allowed(Role.LABELER)
@require_GET
def topics(request: HttpRequest) -> HttpResponse:
    """The topics there are; those I untick do not come to me."""
    known = topics_with(profile_of(_labeler(request)))
    return render(request, "mine/topics.html", {"topics": known})


def _shown(version: label_versions.Outcome) -> dict[str, Any]:
    tiers = selectors.tiers_of(version) if isinstance(version, Ranking) else None
    return {"label": version, "tiers": tiers}


def _labeler(request: HttpRequest) -> User:
    return cast(User, request.user)  # `allowed` let nobody else in
