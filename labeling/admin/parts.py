"""What the desk's pages for labeling share."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from unfold.admin import TabularInline

_SHORT = 120


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
