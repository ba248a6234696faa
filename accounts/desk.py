"""Base classes of the admin site: who runs the desk, and what stays as it was written."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from unfold.admin import ModelAdmin

from accounts.models import User


class DeskAdmin(ModelAdmin):
    """Researchers and admins see and edit; nobody deletes what labels may depend on."""

    compressed_fields = True
    warn_unsaved_form = True

    def has_module_permission(self, request: HttpRequest) -> bool:
        return _at_desk(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _at_desk(request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _at_desk(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _at_desk(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class RecordAdmin(DeskAdmin):
    """For rows that only services write: to be read, never edited here."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _at_desk(request: HttpRequest) -> bool:
    return isinstance(request.user, User) and request.user.runs_the_desk
