"""What the API's schema says a request takes is what the view checks it with, for every view."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from drf_spectacular.generators import EndpointEnumerator, SchemaGenerator
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from core.bodies import Sent, takes

WRITES = {"POST", "PUT", "PATCH", "DELETE"}
READS_ITSELF = {
    "SubmitView": "the service checks the body of the task's kind, whose serializers are declared",
    "AmendView": "as SubmitView",
    "PromptsView": "one prompt or many; each row is checked as a row of an import",
    "FormsView": "the service checks a form, and unknown parts are refused",
    "ImportContentView": "bytes of a file",
}
"""Views that read the body without `takes`, and why."""


class Endpoint(NamedTuple):
    path: str
    method: str
    view: type[APIView]

    @property
    def handler(self) -> Any:
        return getattr(self.view, self.method.lower())


def endpoints() -> Iterator[Endpoint]:
    """Everything that writes."""
    for path, _, method, callback in EndpointEnumerator().get_api_endpoints():
        if method in WRITES and path.startswith("/api/v1/"):
            yield Endpoint(path, method, callback.cls)


@pytest.fixture(scope="module")
def paths() -> Any:
    """The schema's paths."""
    found = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    return {nameless(path): methods for path, methods in found.items()}


def nameless(path: str) -> str:
    """A path without its parameters' names, which the schema words anew."""
    return re.sub(r"{\w+}", "{}", path)


def declared(paths: Any, endpoint: Endpoint) -> str | None:
    """The name of the body in the schema; None where none is declared."""
    body = paths[nameless(endpoint.path)][endpoint.method.lower()].get("requestBody")
    if body is None:
        return None
    ref = body["content"].get("application/json", {}).get("schema", {}).get("$ref", "")
    return str(ref.rsplit("/", 1)[-1])


def test_a_declared_body_is_the_one_that_is_checked(paths: Any) -> None:
    checked = 0
    for one in endpoints():
        name = declared(paths, one)
        if one.view.__name__ in READS_ITSELF:
            continue
        shape = getattr(one.handler, "takes", None)
        assert (name is None) == (shape is None), f"{one.method} {one.path} declares {name}"
        if shape is not None:
            own = shape.__name__.removesuffix("Serializer")
            assert name in (own, f"{own}Request"), f"{one.path} checks {own}, declares {name}"
            checked += 1
    assert checked > 20


def test_no_other_view_reads_the_body_by_itself() -> None:
    readers = ("request.data", "json_object(", "json_body(")
    found = {
        one.view.__name__
        for one in endpoints()
        if any(word in inspect.getsource(one.view) for word in readers)
    }
    assert found <= READS_ITSELF.keys()
    assert {one.view.__name__ for one in endpoints()} >= READS_ITSELF.keys()


class NameBody(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=5)


class Greeting(APIView):
    permission_classes: list[Any] = []  # type: ignore[misc]

    @takes(NameBody, responses=NameBody)
    def post(self, request: Any, sent: Sent, pk: int) -> Response:
        return Response({"name": f"{sent['name']} {pk}"})


@pytest.mark.parametrize(
    ("body", "status"), [({"name": "Ada"}, 200), ({"name": "Ada Ada"}, 400), ({}, 400), ([1], 400)]
)
def test_a_view_gets_what_its_shape_has_checked(body: Any, status: int) -> None:
    request = APIRequestFactory().post("/", body, format="json")
    answer = Greeting.as_view()(request, pk=7)
    assert answer.status_code == status
    if status == 200:
        assert answer.data == {"name": "Ada 7"}
