"""The first page: what waits for me, what I did, what others say of it."""

from __future__ import annotations

from typing import Any, cast

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.models import Role, User
from accounts.permissions import EVERYONE, allowed, may
from frontend import selectors
from labeling.agreement import PAPER
from labeling.selectors.agreement import agreement_of
from labeling.selectors.distress import distressing_minutes, needs_a_break
from labeling.selectors.home import reports_of, week
from labeling.selectors.reading import unread_guidelines
from labeling.selectors.reviews import feedback

REVIEWS = 20
RANKINGS = 500
"""The latest ones, over which a labeler's agreement is told."""


@allowed(*EVERYONE)
def home(request: HttpRequest) -> HttpResponse:
    """Labelers see their work; those who run the desk are shown the way to it."""
    user = cast(User, request.user)
    context = _work(user) if may(user, (Role.LABELER,)) else {"today": 0}
    return render(request, "home.html", context)


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
