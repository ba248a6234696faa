"""What answers when nothing else does."""

from __future__ import annotations

import pytest
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


@pytest.mark.parametrize(
    ("path", "kind"), [("/api/v1/rounds/", "application/problem+json"), ("/", "text/html")]
)
def test_a_failure_is_answered_likewise(rf: RequestFactory, path: str, kind: str) -> None:
    response = get_resolver().resolve_error_handler(500)(rf.get(path))
    assert response.status_code == 500
    assert response["content-type"].startswith(kind)
