"""Adding versions over HTTP: remote ones, prompted ones, and keys that nobody reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from models_service.models import EndpointKey, ModelVersion
from models_service.secrets import unseal
from models_service.services import ensure_base

pytestmark = pytest.mark.django_db
ENDPOINT = {"base_url": "https://models.example.org/v1", "model": "big"}


@pytest.fixture
def send(client_of: Callable[[User], Client], rosa: User) -> Callable[..., Any]:
    """`send("versions/", {...})`: the API's response to a researcher."""

    def call(path: str, body: Any, *, method: str = "post", user: User = rosa) -> Any:
        request = getattr(client_of(user), method)
        return request(f"/api/v1/{path}", body, content_type="application/json")

    return call


def test_a_remote_version_is_added_and_its_key_is_never_shown(
    send: Callable[..., Any], client_of: Callable[[User], Client], rosa: User
) -> None:
    response = send("versions/", {"name": "far", "endpoint": ENDPOINT, "key": "sk-secret"})
    assert response.status_code == 201
    assert response.json()["endpoint"]["api"] == "chat"
    version = ModelVersion.objects.get()
    assert unseal(version.key.sealed) == "sk-secret"
    client = client_of(rosa)
    pages = [
        response,
        client.get("/api/v1/versions/"),
        client.get(f"/api/v1/versions/{version.pk}/"),
        client.get(f"/admin/models_service/modelversion/{version.pk}/change/"),
        client.get("/admin/versions/add/"),
    ]
    for page in pages:
        assert page.status_code in (200, 201)
        assert "sk-secret" not in page.content.decode()
        assert version.key.sealed not in page.content.decode()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "x", "endpoint": {"model": "m"}}, "endpoint.base_url"),
        ({"name": "x", "endpoint": ENDPOINT | {"base_url": "ftp://x"}}, "endpoint.base_url"),
        ({"name": "x", "endpoint": ENDPOINT | {"key_env": "SECRET_KEY"}}, "endpoint.key_env"),
        ({"name": "x", "endpoint": ENDPOINT, "kind": "reward"}, "kind"),
        ({"name": "", "endpoint": ENDPOINT}, "name"),
        ({"name": "x", "endpoint": "https://models.example.org"}, "endpoint"),
    ],
)
def test_a_wrong_field_is_named(send: Callable[..., Any], body: Any, field: str) -> None:
    response = send("versions/", body)
    assert response.status_code == 400
    assert field in response.json()["errors"]
    assert not ModelVersion.objects.exists()


def test_a_version_never_changes_under_its_name(send: Callable[..., Any]) -> None:
    body = {"name": "far", "endpoint": ENDPOINT}
    assert send("versions/", body).status_code == 201
    response = send("versions/", body)
    assert response.json()["errors"] == {
        "name": ["There is a version called far; versions never change."]
    }


def test_a_prompted_version_shares_the_weights(send: Callable[..., Any]) -> None:
    base = ensure_base("tiny")
    body = {"name": "prompted", "version": base.pk, "prefix": "Answer like a pirate."}
    assert send("versions/prompted/", body).status_code == 201
    prompted = ModelVersion.objects.get(name="prompted")
    assert (prompted.parent, prompted.sha256, prompted.folder) == (base, base.sha256, base.folder)


def test_a_key_is_replaced_for_remote_versions_alone(send: Callable[..., Any]) -> None:
    far = send("versions/", {"name": "far", "endpoint": ENDPOINT, "key": "old"}).json()["id"]
    assert send(f"versions/{far}/key/", {"key": "new"}, method="put").status_code == 204
    assert unseal(EndpointKey.objects.get().sealed) == "new"
    local = ensure_base("tiny")
    assert send(f"versions/{local.pk}/key/", {"key": "new"}, method="put").status_code == 404
    named = ENDPOINT | {"key_env": "MODEL_KEY_X"}
    other = send("versions/", {"name": "other", "endpoint": named}).json()["id"]
    assert send(f"versions/{other}/key/", {"key": "new"}, method="put").status_code == 400


def test_labelers_add_nothing(send: Callable[..., Any], ada: User) -> None:
    for path in ("versions/", "versions/prompted/"):
        assert send(path, {}, user=ada).status_code == 403
