"""Files of prompts and labels in the admin: uploaded, looked at before they count, followed.

For admins.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from unfold.decorators import display

from accounts.admin.base import AdminsOnly
from labeling.intake.import_reads import status
from labeling.intake.uploads import CHUNK
from labeling.models import Import

STATE_COLOURS = {
    "Being uploaded": "info",
    "Waiting to be checked": "info",
    "Being checked": "primary",
    "Checked": "warning",
    "Waiting to be imported": "info",
    "Being imported": "primary",
    "Imported": "success",
    "Failed": "danger",
    "Cancelled": "",
}


@admin.register(Import)
class ImportAdmin(AdminsOnly):
    empty_hint = "upload JSONL, CSV or Parquet; a dry run shows what would come in."
    list_display = (
        "__str__", "what", "name", "state_label", "rows", "bad", "new", "by", "created_at",
    )  # fmt: skip
    list_filter = ("what", "state")
    list_select_related = ("by",)
    search_fields = ("name",)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page that takes a file."""
        return self.page(
            request, "labeling/import.html", {"title": "Import prompts or labels", "chunk": CHUNK}
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The page that follows an import, and asks before it counts."""
        found = get_object_or_404(Import, pk=object_id if object_id.isdigit() else None)
        context = {"title": str(found), "import": found, "status": status(found), "chunk": CHUNK}
        return self.page(request, "labeling/import.html", context)

    @display(description="State", label=STATE_COLOURS, ordering="state")
    def state_label(self, imported: Import) -> str:
        return imported.get_state_display()

    @display(description="Rows")
    def rows(self, imported: Import) -> int:
        return int(imported.tally.get("rows", 0))

    @display(description="Bad lines")
    def bad(self, imported: Import) -> int:
        return int(imported.tally.get("bad", 0))

    @display(description="New")
    def new(self, imported: Import) -> int | None:
        """Prompts, or labels and tasks to be labeled."""
        if imported.state != Import.State.FINISHED:
            return None
        names = ("added", "rankings", "demonstrations", "completions")
        return sum(imported.result.get(name, 0) for name in names)
