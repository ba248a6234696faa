"""The OpenAPI schema says of every operation how it can fail, each time as a problem document."""

from __future__ import annotations

from typing import Any

from drf_spectacular.openapi import AutoSchema

_ANY = {
    400: "What was sent cannot be read, or does not fit; `errors` names the fields.",
    401: "Who asks is not known; WWW-Authenticate says how to tell.",
    403: "The account may not do this.",
    404: "There is nothing at this address.",
    405: "The address does not take this method.",
    406: "No answer can be given in the format that Accept asks for.",
    500: "An error nobody expected; the server's log has it.",
    503: "Database or broker cannot be reached; Retry-After says when to try again.",
    507: "The server's disk is full; nothing was stored.",
}
_OF_BODIES = {
    409: "It cannot be done in the state in which things are.",
    413: "What was sent is too long.",
    415: "What was sent is in a format that is not read here.",
}
PROBLEM = {
    "type": "object",
    "description": "RFC 9457",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What happened and what to do."},
        "errors": {
            "type": "object",
            "description": "Sentences by field.",
            "additionalProperties": {},
        },
    },
    "additionalProperties": {},
}


class Schema(AutoSchema):
    """drf-spectacular's, with the errors of every operation; what a view declares itself stays."""

    def get_override_parameters(self) -> list[Any]:
        """With the filters that a list declares (core.lists)."""
        query = getattr(self.view, "query", None) if self.method == "GET" else None
        return [*super().get_override_parameters(), *([query] if query else [])]

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        declared: dict[str, Any] = super()._get_response_bodies(direction)
        writes = self.method not in ("GET", "HEAD")
        errors = _ANY | (_OF_BODIES if writes else {})
        problems = {
            str(status): {
                "description": what,
                "content": {"application/problem+json": {"schema": PROBLEM}},
            }
            for status, what in errors.items()
        }
        return problems | declared
