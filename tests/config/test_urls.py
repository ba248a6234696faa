"""Every page and endpoint states who may use it; the default is nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from rest_framework.permissions import AllowAny
from rest_framework.views import APIView

from accounts.models import User
from accounts.permissions import Nobody
from accounts.scopes import ROOMS, room_of

# What a visitor without an account may reach, and why.
OPEN = {
    "healthz": "a load balancer has no account",
    "readyz": "a load balancer has no account",
    "metrics": "Prometheus has no account; it reads numbers only",
    "login": "the way in",
    "logout": "the way out leads to the way in, also for a session that has run out",
    "javascript_words": "the login page is translated too",
    "admin:jsi18n": "a script; whoever is logged out while a page loads must not get HTML for it",
    "set_language": "the login page is translated too",
}
_SAMPLES = {"IntConverter": 1, "SlugConverter": "ranking", "UUIDConverter": UUID(int=0)}


class Place(NamedTuple):
    """One URL pattern: its full name, its route, its view and example arguments."""

    name: str
    route: str
    view: Callable[..., Any]
    arguments: dict[str, Any]


def _places(
    resolver: URLResolver | None = None, prefix: str = "", above: str = ""
) -> Iterator[Place]:
    for pattern in (resolver or get_resolver()).url_patterns:
        route = f"{above}{pattern.pattern}"
        if isinstance(pattern, URLResolver):
            yield from _places(pattern, _joined(prefix, pattern.namespace), route)
        elif isinstance(pattern, URLPattern) and pattern.name:
            name = _joined(prefix, pattern.name)
            yield Place(name, route, pattern.callback, _arguments(pattern))


def _arguments(pattern: URLPattern) -> dict[str, Any]:
    named = dict.fromkeys(pattern.pattern.regex.groupindex, "accounts")
    converters = pattern.pattern.converters.items()
    return {
        **named,
        **{key: _SAMPLES.get(type(converter).__name__, "1") for key, converter in converters},
    }


def _joined(prefix: str, name: str | None) -> str:
    return ":".join(part for part in (prefix, name) if part)


PLACES = {place.name: place for place in _places()}
ENDPOINTS = {
    name: place.view.cls  # type: ignore[attr-defined]
    for name, place in PLACES.items()
    if issubclass(getattr(place.view, "cls", object), APIView)
}


@pytest.mark.django_db
@pytest.mark.parametrize("name", sorted(PLACES.keys() - OPEN.keys()))
def test_a_visitor_is_sent_to_log_in_or_refused(client: Client, name: str) -> None:
    response = client.get(reverse(name, kwargs=PLACES[name].arguments))
    if response.status_code == 302:
        assert "/login/" in response["Location"]
    else:
        assert response.status_code in (401, 403)


@pytest.mark.django_db
@pytest.mark.parametrize("name", sorted(OPEN))
def test_a_visitor_reaches_what_is_open(client: Client, name: str) -> None:
    response = client.get(reverse(name, kwargs=PLACES[name].arguments))
    assert response.status_code not in (401, 403, 404)
    assert "/login/" not in response.headers.get("Location", "")


@pytest.mark.parametrize("name", sorted(ENDPOINTS))
def test_an_endpoint_states_its_roles(name: str) -> None:
    stated = set(ENDPOINTS[name].permission_classes)
    assert stated
    assert not stated & {AllowAny, Nobody}


@pytest.mark.parametrize("name", sorted(ENDPOINTS.keys() - {"schema", "docs"}))
def test_an_endpoint_has_a_room_and_so_a_scope(name: str) -> None:
    route = PLACES[name].route
    assert room_of(route), f"{route} is closed to every limited token: add it to scopes.ROOMS"


def test_no_room_is_left_of_an_address_that_is_gone() -> None:
    assert set(ROOMS) - {room_of(PLACES[name].route) for name in ENDPOINTS} == set()


@pytest.mark.parametrize(
    "name",
    ["admin:index", *sorted(n for n in PLACES if n.startswith("admin:") and "changelist" in n)],
)
def test_the_desk_is_closed_to_labelers(
    client_of: Callable[[User], Client], ada: User, name: str
) -> None:
    assert client_of(ada).get(reverse(name)).status_code in (302, 403)


def test_the_walk_finds_pages_endpoints_and_the_desk() -> None:
    assert {"home", "login", "api-claim", "admin:index", "schema"} <= PLACES.keys()
