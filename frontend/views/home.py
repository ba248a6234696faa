"""The first page: what waits for me, what I did today."""

from __future__ import annotations

from typing import cast

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.models import Role, User
from accounts.permissions import EVERYONE, allowed, may
from frontend import selectors


@allowed(*EVERYONE)
def home(request: HttpRequest) -> HttpResponse:
    """Labelers see their work; those who run the desk are shown the way to it."""
    user = cast(User, request.user)
    tiles = selectors.tiles(user) if may(user, (Role.LABELER,)) else []
    return render(request, "home.html", {"tiles": tiles, "today": sum(t.today for t in tiles)})
