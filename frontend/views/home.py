"""The first page of each role; a labeler's shows what waits, what I did, what others say of it."""

from __future__ import annotations

from typing import Any, cast

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.models import Role, User
from accounts.permissions import EVERYONE, allowed, may
from frontend import selectors
from frontend.landing import home_of
from labeling.people.agreement import PAPER
from labeling.people.agreement_reads import agreement_of
from labeling.review.review_reads import feedback
from labeling.work.distress import distressing_minutes, needs_a_break
from labeling.work.guideline_reads import unread_guidelines
from labeling.work.home import reports_of, week

REVIEWS = 20
RANKINGS = 500
"""The latest ones, over which a labeler's agreement is told."""


@allowed(*EVERYONE)
def home(request: HttpRequest) -> HttpResponse:
    """Labelers see their work; those who run the admin are brought to the admin."""
    user = cast(User, request.user)
    if user.runs_the_desk:
        return redirect(home_of(request))
    context = _work(user) if may(user, (Role.LABELER,)) else {"today": 0}
    return render(request, "home.html", context)


@allowed(Role.LABELER)
def work(request: HttpRequest) -> HttpResponse:
    """A labeler's first page, for an admin who labels too."""
    return render(request, "home.html", _work(cast(User, request.user)))


def _work(labeler: User) -> dict[str, Any]:
    tiles = selectors.tiles(labeler)
    return {
        "tiles": tiles,
        "today": sum(tile.today for tile in tiles),
        "week": selectors.week_chart(week(labeler)),
        "agreement": agreement_of(labeler, latest=RANKINGS),
        "paper": PAPER,
        "reports": reports_of(labeler),
        "reviews": feedback(labeler, unseen=True)[:REVIEWS],
        "unread": unread_guidelines(labeler),
        "distressing_minutes": distressing_minutes(labeler) if needs_a_break(labeler) else 0,
    }
