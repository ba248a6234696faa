"""Reading the JSON body of a request, whatever somebody put into it."""

from __future__ import annotations

from typing import Any

from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from core.problems import Problem

MAX_BYTES = 4_000_000


def json_body(request: Request, *, max_bytes: int = MAX_BYTES) -> Any:
    """The parsed body.

    Raises Problem 413 for one that says it is longer, before reading it, and ValidationError also
    for one nested too deeply to be parsed.
    """
    # A body that states no length counts as empty: Django reads as much as was stated.
    if int(request.META.get("CONTENT_LENGTH") or 0) > max_bytes:
        raise Problem(413, f"Send at most {max_bytes:,} bytes at once.")
    try:
        return request.data
    except RecursionError:
        raise ValidationError({"body": ["Is nested too deeply."]}) from None


def json_object(request: Request) -> dict[str, Any]:
    """The body, which has to be an object."""
    body = json_body(request)
    if not isinstance(body, dict):
        raise ValidationError({"body": ["Must be a JSON object."]})
    return body
