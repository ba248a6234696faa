"""What answers when nothing else does."""

from __future__ import annotations

import errno

import pytest
import redis
from django.core.handlers.exception import convert_exception_to_response
from django.core.handlers.wsgi import WSGIHandler
from django.db import InterfaceError, OperationalError
from django.test import Client, RequestFactory
from django.urls import get_resolver


@pytest.mark.django_db
def test_an_unknown_address_of_the_api_is_a_problem_document(client: Client) -> None:
    response = client.get("/api/v1/nothing/")
    assert response["content-type"] == "application/problem+json"
    assert (response.status_code, response.json()["status"]) == (404, 404)


@pytest.mark.django_db
def test_an_unknown_page_is_a_page(client: Client) -> None:
    response = client.get("/nothing/")
    assert response.status_code == 404
    assert response["content-type"].startswith("text/html")


def _raised_from(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


class _DiskFull(Exception):
    pgcode = "53100"


class _StartingUp(Exception):
    pgcode = "57P03"


class _Deadlock(Exception):
    pgcode = "40P01"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 507),
        (_raised_from(OperationalError(), _DiskFull()), 507),
        (redis.ResponseError("MISCONF Errors writing to the AOF file: No space left"), 507),
        (_raised_from(OperationalError(), _StartingUp()), 503),
        (OperationalError("server closed the connection unexpectedly"), 503),
        (InterfaceError("connection already closed"), 503),
        (redis.ConnectionError("Connection refused"), 503),
        (_raised_from(RuntimeError("queue"), redis.TimeoutError("Timeout")), 503),
        (_raised_from(OperationalError(), _Deadlock()), 500),
        (OSError(errno.EACCES, "Permission denied"), 500),
        (KeyError("a bug"), 500),
    ],
)
@pytest.mark.parametrize("path", ["/api/v1/rounds/", "/login/"])
def test_what_is_away_or_full_is_said_with_when_to_try_again(
    monkeypatch: pytest.MonkeyPatch, path: str, error: Exception, status: int
) -> None:
    def _fail(request: object) -> None:
        raise error

    handler = WSGIHandler()
    monkeypatch.setattr(handler, "_middleware_chain", convert_exception_to_response(_fail))
    response = handler.get_response(RequestFactory().get(path))
    assert response.status_code == status
    assert response.has_header("Retry-After") is (status != 500)
    of_api = path.startswith("/api/")
    assert response["content-type"].startswith("application/problem+json" if of_api else "text/")
    assert ("disk is full" in response.content.decode().replace("&#x27;", "'")) is (status == 507)


@pytest.mark.parametrize(
    ("path", "kind"), [("/api/v1/rounds/", "application/problem+json"), ("/", "text/html")]
)
def test_a_failure_is_answered_likewise(rf: RequestFactory, path: str, kind: str) -> None:
    response = get_resolver().resolve_error_handler(500)(rf.get(path))
    assert response.status_code == 500
    assert response["content-type"].startswith(kind)
