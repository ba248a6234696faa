"""Pages as tests compare them: without regard to how their templates are laid out."""

from __future__ import annotations

from django.http import HttpResponse


def one_line(response: HttpResponse) -> str:
    """The page's HTML with each run of white space as one space, as HTML reads it."""
    return " ".join(response.content.decode().split())
