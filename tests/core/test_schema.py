"""Every operation says how it can fail, and who is not known is asked to say who they are."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

METHODS = ("get", "post", "put", "patch", "delete")


@pytest.fixture(scope="module")
def operations() -> dict[str, dict[str, Any]]:
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    return {
        f"{method} {path}": at[method]
        for path, at in paths.items()
        for method in at.keys() & {*METHODS}
    }


def test_each_operation_names_every_status_it_can_fail_with(
    operations: dict[str, dict[str, Any]],
) -> None:
    always = {"400", "401", "403", "404", "405", "406", "500", "503", "507"}
    assert len(operations) > 60
    for name, operation in operations.items():
        wanted = always if name.startswith("get") else always | {"409", "413", "415"}
        assert wanted <= operation["responses"].keys(), name
        for status in wanted:
            assert operation["responses"][status].get("content") is not None, (name, status)


def test_the_schema_names_the_token(operations: dict[str, dict[str, Any]]) -> None:
    assert {"token": []} in operations["get /api/v1/rounds/{id}/"]["security"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Token wrong"},
        {"Authorization": "Token"},
        {"Authorization": "Token a b"},
        {"Authorization": "Token \xff\xfe"},
        {"Authorization": "Bearer x"},
    ],
)
def test_who_is_not_known_is_told_how_to_say_who_they_are(headers: dict[str, str]) -> None:
    response = Client().get("/api/v1/agreement/", headers=headers)
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Token"
    assert response["content-type"] == "application/problem+json"
