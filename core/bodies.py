"""Reading the body of a request: what a view declares that it takes is what it enforces."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from core.problems import Problem

MAX_BYTES = 4_000_000

Sent = dict[str, Any]
"""A checked body."""
Handler = Callable[..., Response]


def takes(shape: type[BaseSerializer[Any]], **schema: Any) -> Callable[[Handler], Handler]:
    """Decorate a view's method: it is declared to take this shape, and gets what it checked.

    The method is called with the request, the checked body, and what the address says. `schema` are
    further arguments of `extend_schema`, such as `responses`.
    """

    def decorate(handler: Handler) -> Handler:
        @extend_schema(request=shape, **schema)
        @wraps(handler)
        def checked(view: Any, request: Request, **address: Any) -> Response:
            body = shape(data=json_object(request))
            body.is_valid(raise_exception=True)
            return handler(view, request, dict(body.validated_data), **address)

        checked.takes = shape  # for the test over all views
        return checked

    return decorate


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
