"""Errors of the API as RFC 9457 problem documents that name the field."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, NoReturn

from django.http import JsonResponse
from rest_framework import exceptions
from rest_framework.response import Response


class Problem(exceptions.APIException):
    """An error a service raises on purpose.

    Args:
        status: HTTP status.
        detail: What happened and what to do, for a person.
        errors: Per field, the sentences about it.
        extra: Further members of the document, such as the current draft version.
        wait: Seconds after which to try again, told as Retry-After.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: dict[str, Any] | None = None,
        extra: dict[str, Any] | None = None,
        wait: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.status_code = status
        self.errors = errors
        self.extra = extra or {}
        self.wait = wait


def refuse(field: str, sentence: str, status: int = 400) -> NoReturn:
    """Raise the Problem that says what is wrong with this field of what was sent."""
    raise Problem(status, sentence, errors={field: [sentence]})


def problem_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn whatever a view raised into a problem document; DRF's exception handler."""
    # Here, since it reads the settings, which name authentication classes that raise Problems.
    from rest_framework.views import exception_handler

    response = exception_handler(error, context)
    if response is None:
        return None
    response.data = _document(error, response)
    response.content_type = "application/problem+json"
    return response


def problem_page(status: int, detail: str) -> JsonResponse:
    """A problem document outside DRF, for handlers of Django itself."""
    return JsonResponse(
        _base(status) | {"detail": detail}, status=status, content_type="application/problem+json"
    )


def _document(error: Exception, response: Response) -> dict[str, Any]:
    document = _base(response.status_code)
    if isinstance(error, Problem):
        document |= {"detail": str(error.detail), **error.extra}
        if error.errors:
            document["errors"] = error.errors
    elif isinstance(error, exceptions.ValidationError):
        errors = response.data if isinstance(response.data, dict) else {"body": response.data}
        document |= {"detail": _first_sentence(errors), "errors": errors}
    else:
        detail = response.data.get("detail") if isinstance(response.data, dict) else response.data
        document["detail"] = str(detail)
    return document


def _base(status: int) -> dict[str, Any]:
    return {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}


def _first_sentence(errors: Any, path: str = "") -> str:
    if isinstance(errors, dict) and errors:
        key, value = next(iter(errors.items()))
        return _first_sentence(value, f"{path}.{key}" if path else str(key))
    if isinstance(errors, list) and errors:
        return _first_sentence(next((e for e in errors if e), errors[0]), path)
    return f"{path}: {errors}" if path else str(errors)
