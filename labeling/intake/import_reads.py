"""What the admin shows of an import: how far it is, its first rows, what is bad."""

from __future__ import annotations

from typing import Any

from django.core.cache import cache

from labeling.models import Import

FIRST_ROWS = 8
FIRST_BAD = 20
_EXCERPT = 300


def status(imported: Import) -> dict[str, Any]:
    """Everything that its page shows; `done` of `total` are bytes, or rows of a Parquet file."""
    at, total = imported.cursor.get("at", [0, 0]), imported.cursor.get("of", 0)
    return {
        "id": imported.pk,
        "what": imported.what,
        "options": imported.options,
        "name": imported.name,
        "size": imported.size,
        "modified": imported.modified,
        "received": imported.received,
        "state": imported.state,
        "state_title": imported.get_state_display(),
        "format": imported.format,
        "done": at[0],
        "total": total,
        "stored": cache.get(imported.progress_key, 0) if imported.state in _COUNTING else 0,
        "tally": imported.tally,
        "result": imported.result,
        "failure": imported.failure,
        "first": [_first(row) for row in imported.staged.order_by("pk")[:FIRST_ROWS]],
        "bad": list(imported.rejected.values("line", "reason", "text")[:FIRST_BAD]),
    }


_COUNTING = (Import.State.CHECKING, Import.State.STORING)


def _first(row: Any) -> dict[str, Any]:
    prompt = row.examined["row"]
    return {
        "line": row.line,
        "text": _excerpt(prompt["messages"][-1]["content"]),
        "messages": len(prompt["messages"]),
        "use_case": prompt["use_case"],
        "language": prompt["language"],
        "author": prompt["organisation"] or prompt["author"],
        "personal": sorted({span["kind"] for span in row.examined["spans"]}),
        "label": row.label and _label(row.label),
    }


def _label(told: dict[str, Any]) -> dict[str, Any]:
    """What the page shows of a label beside its prompt; a demonstration's answer has no rank."""
    answers = [{"rank": one["rank"], "text": _excerpt(one["text"])} for one in told["answers"]]
    return {name: told[name] for name in ("form", "of", "labeler", "split")} | {"answers": answers}


def _excerpt(text: str) -> str:
    return text[:_EXCERPT] + ("…" if len(text) > _EXCERPT else "")
