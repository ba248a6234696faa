"""What the admin's pages for labeling share."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.http import HttpRequest
from unfold.admin import TabularInline

_SHORT = 120
_DIGITS = 19  # a longer number is no row's


class Lines(TabularInline):
    """Rows below a page, to be read."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def short(text: str) -> str:
    """The beginning of a text, for a table."""
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}…"


def number(text: str, path: str = "pk") -> Q:
    """The row that the text is the number of; none where it is no number."""
    possible = text.isdecimal() and len(text) < _DIGITS
    return Q(**{path: int(text)}) if possible else Q(pk__in=())
