"""API tokens: made, limited, used, rotated, ended; and what the audit log says of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from importlib import import_module
from io import StringIO
from typing import Any

import pytest
from django.apps import apps
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from knox.models import AuthToken

from accounts import authentication
from accounts.api.views import TokenRate
from accounts.audit import Act
from accounts.models import AuditEntry, Role, TokenGrant, User
from accounts.scopes import SCOPES_OF_ROLE, Scope, demand
from accounts.tokens import create_token, rotate_token, use_token
from core.problems import Problem

ClientOf = Callable[[User], Client]
pytestmark = pytest.mark.django_db

JSON = "application/json"
TOKENS = "/api/v1/tokens/"
NO_TOKEN = f"{TOKENS}987654321/"  # or a test would revoke its own
# method, address, the roles let in, the scopes of which one is enough
PLACES_TRIED = (
    ("GET", "/api/v1/rounds/", {"researcher", "admin"}, {"read", "rounds"}),
    ("GET", "/api/v1/agreement/", {"researcher", "admin"}, {"read", "admin"}),
    ("GET", "/api/v1/assignments/1/", {"labeler", "admin"}, {"read", "label"}),
    ("GET", "/api/v1/guidelines/1/", set(Role.values), {"read", "label"}),
    ("GET", "/api/v1/exports/", {"admin"}, {"read", "admin"}),
    ("GET", TOKENS, set(Role.values), {"read"}),
    ("GET", "/api/schema/", set(Role.values), set(Scope.values)),
    ("POST", "/api/v1/assignments/claim/", {"labeler", "admin"}, {"label"}),
    ("POST", "/api/v1/guidelines/1/read/", {"labeler", "admin"}, {"label"}),
    ("PUT", "/api/v1/topics/", {"labeler", "admin"}, {"label"}),
    ("POST", "/api/v1/prompts/", {"client", "researcher", "admin"}, {"prompts"}),
    ("POST", "/api/v1/imports/1/cancel/", {"admin"}, {"prompts"}),
    ("POST", "/api/v1/prompts/1/release/", {"admin"}, {"admin"}),
    ("POST", "/api/v1/prompts/ask-again/", {"researcher", "admin"}, {"rounds"}),
    ("POST", "/api/v1/rounds/1/pause/", {"researcher", "admin"}, {"rounds"}),
    ("DELETE", "/api/v1/recipes/1/", {"researcher", "admin"}, {"rounds"}),
    ("POST", "/api/v1/queues/1/mode/", {"researcher", "admin"}, {"admin"}),
    ("POST", "/api/v1/erasures/", {"admin"}, {"admin"}),
    ("POST", TOKENS, set(Role.values), set()),
    ("DELETE", NO_TOKEN, set(Role.values), set()),
    ("POST", f"{NO_TOKEN}rotate/", set(Role.values), set()),
)


@pytest.fixture(autouse=True)
def fresh_counts() -> Iterator[None]:
    """The rate is counted by account in the cache, which outlives a test's rows."""
    cache.clear()
    yield
    cache.clear()


def call(secret: str, method: str, path: str, body: Any = None) -> Any:
    """The API's answer to a program with this token."""
    return Client().generic(
        method,
        path,
        b"" if method == "GET" else json.dumps(body or {}),
        JSON,
        headers={"authorization": f"Token {secret}"},
    )


def last_act() -> AuditEntry:
    return AuditEntry.objects.latest("id")


@pytest.mark.parametrize("scope", Scope.values)
@pytest.mark.parametrize("name", ["ada", "program", "rosa", "olga"])
def test_a_token_does_what_its_role_and_its_scope_let_it(
    request: pytest.FixtureRequest, name: str, scope: str
) -> None:
    user: User = request.getfixturevalue(name)
    _, limited = create_token(user=user, scopes=[scope])
    _, unlimited = create_token(user=user)
    for method, path, roles, scopes in PLACES_TRIED:
        let_in = call(limited, method, path)
        place = (method, path)
        is_open = user.role in roles
        assert (*place, let_in.status_code != 403) == (*place, is_open and scope in scopes)
        if scope not in scopes:
            told = let_in.json()["detail"]
            words = " or ".join(f'"{s}"' for s in sorted(scopes, key=lambda s: s != "read"))
            assert (f"lacks the scope {words}." if scopes else "limited to scopes") in told
        assert (*place, call(unlimited, method, path).status_code != 403) == (*place, is_open)


def test_an_address_without_a_scope_is_closed_to_limited_tokens() -> None:
    for method in ("GET", "POST"):
        with pytest.raises(Problem, match="whatever its scopes"):
            demand(Scope.values, route="api/v1/somewhere/", method=method)
    demand([], route="api/v1/somewhere/", method="POST")


def test_it_is_made_listed_and_its_secret_shown_once(ada: User, ben: User) -> None:
    _, secret = create_token(user=ada)
    made = call(secret, "POST", TOKENS, {"name": "notebook", "scopes": ["label"], "days": 7})
    assert made.status_code == 201
    told = made.json()
    assert call(told["token"], "POST", "/api/v1/assignments/claim/").status_code == 400
    lasts = datetime.fromisoformat(told["expires_at"]) - datetime.fromisoformat(told["created_at"])
    assert round(lasts / timedelta(days=1), 3) == 7
    entry = last_act()
    assert (entry.act, entry.by, entry.target_id) == (Act.TOKEN_ADDED, ada, ada.pk)
    assert entry.detail == {"token": told["id"], "scopes": ["label"], "days": 7}
    listed = call(secret, "GET", TOKENS)
    assert told["token"] not in listed.content.decode()
    assert [(one["name"], one["scopes"]) for one in listed.json()] == [
        ("notebook", ["label"]),
        ("", []),
    ]
    assert call(create_token(user=ben)[1], "GET", TOKENS).json()[0]["id"] != told["id"]


def test_it_holds_for_ninety_days_unless_said_otherwise(ada: User) -> None:
    grant, secret = create_token(user=ada)
    assert round((grant.token.expiry - timezone.now()) / timedelta(days=1)) == 90
    AuthToken.objects.update(expiry=timezone.now() - timedelta(seconds=1))
    assert call(secret, "GET", TOKENS).status_code == 401


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "a" * 81}, "name"),
        ({"name": "a", "scopes": ["rounds"]}, "scopes"),
        ({"name": "a", "scopes": ["everything"]}, "scopes"),
        ({"name": "a", "days": 0}, "days"),
        ({"name": "a", "days": 100_000}, "days"),
    ],
)
def test_what_cannot_be_is_refused_by_field(
    ada: User, client_of: ClientOf, body: dict[str, Any], field: str
) -> None:
    refused = client_of(ada).post(TOKENS, body, JSON)
    assert (refused.status_code, [*refused.json()["errors"]]) == (400, [field])
    assert not TokenGrant.objects.exists()


@pytest.mark.parametrize("name", ["ada", "program", "rosa", "olga"])
def test_each_role_makes_tokens_of_its_own_scopes(
    request: pytest.FixtureRequest, client_of: ClientOf, name: str
) -> None:
    user: User = request.getfixturevalue(name)
    for scope in Scope:
        answer = client_of(user).post(TOKENS, {"name": "a", "scopes": [scope]}, JSON)
        expected = 201 if scope in SCOPES_OF_ROLE[Role(user.role)] else 400
        assert (scope, answer.status_code) == (scope, expected)


def test_its_last_use_is_noted(ada: User) -> None:
    grant, secret = create_token(user=ada)
    assert grant.last_used_at is None
    call(secret, "GET", TOKENS)
    grant.refresh_from_db()
    first = grant.last_used_at
    assert first is not None
    call(secret, "GET", TOKENS)
    grant.refresh_from_db()
    assert grant.last_used_at == first  # within a minute it is not written again
    TokenGrant.objects.update(last_used_at=first - timedelta(minutes=2))
    call(secret, "GET", TOKENS)
    grant.refresh_from_db()
    assert grant.last_used_at is not None and grant.last_used_at >= first


def test_rotating_replaces_the_secret_and_nothing_else(ada: User, client_of: ClientOf) -> None:
    grant, old = create_token(user=ada, name="notebook", scopes=["read"], days=7)
    answer = client_of(ada).post(f"{TOKENS}{grant.pk}/rotate/", {}, JSON)
    told = answer.json()
    assert (answer.status_code, told["id"], told["name"]) == (200, grant.pk, "notebook")
    assert call(old, "GET", TOKENS).status_code == 401
    assert call(told["token"], "GET", TOKENS).status_code == 200
    grant.refresh_from_db()
    assert round((grant.token.expiry - timezone.now()) / timedelta(days=1), 2) == 7
    assert AuthToken.objects.count() == 1
    assert (last_act().act, last_act().by) == (Act.TOKEN_ROTATED, ada)
    assert last_act().detail == {"token": grant.pk}


@pytest.mark.django_db(transaction=True)
def test_one_that_is_rotated_while_it_is_shown_is_refused(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    grant, old = create_token(user=ada, scopes=["read"])

    def late(token: AuthToken) -> TokenGrant:
        rotate_token(token_id=grant.pk, by=ada)
        return use_token(token)

    monkeypatch.setattr(authentication, "use_token", late)
    assert call(old, "GET", TOKENS).status_code == 401
    assert [one.scopes for one in TokenGrant.objects.all()] == [["read"]]


def test_it_is_revoked_by_its_owner_and_by_admins_alone(
    ada: User, ben: User, rosa: User, olga: User, client_of: ClientOf
) -> None:
    grant, secret = create_token(user=ada)
    path = f"{TOKENS}{grant.pk}/"
    for other in (ben, rosa):
        assert client_of(other).delete(path).status_code == 404
    # Nobody gets another's secret, not even an admin.
    assert client_of(olga).post(f"{path}rotate/").status_code == 404
    assert call(secret, "GET", TOKENS).status_code == 200
    assert client_of(ada).delete(path).status_code == 204
    assert call(secret, "GET", TOKENS).status_code == 401
    assert (last_act().act, last_act().by) == (Act.TOKEN_REVOKED, ada)
    assert client_of(ada).delete(path).status_code == 404
    grant, secret = create_token(user=ada)
    assert client_of(olga).delete(f"{TOKENS}{grant.pk}/").status_code == 204
    assert call(secret, "GET", TOKENS).status_code == 401
    assert (last_act().by, last_act().target_id) == (olga, ada.pk)


def test_a_change_of_password_ends_them_where_the_box_is_ticked(
    ada: User, ben: User, client_of: ClientOf
) -> None:
    _, secret = create_token(user=ada)
    create_token(user=ada)
    _, of_another = create_token(user=ben)
    for password, tick, status in (
        ("x7-keel-9", {}, 200),
        ("y8-keel-9", {"end_tokens": "on"}, 401),
    ):
        old = "ada-password" if status == 200 else "x7-keel-9"
        body = {"old_password": old, "new_password1": password, "new_password2": password}
        ada.refresh_from_db()
        assert client_of(ada).post("/password/", body | tick).status_code == 302
        assert call(secret, "GET", TOKENS).status_code == status
    assert call(of_another, "GET", TOKENS).status_code == 200
    assert AuditEntry.objects.filter(act=Act.TOKEN_REVOKED, by=ada).count() == 2


def test_a_wrong_old_password_ends_nothing(ada: User, client_of: ClientOf) -> None:
    create_token(user=ada)
    body = {"old_password": "no", "new_password1": "x7-keel-9", "new_password2": "x7-keel-9"}
    assert client_of(ada).post("/password/", body | {"end_tokens": "on"}).status_code == 200
    assert TokenGrant.objects.count() == 1


def test_tokens_made_before_there_were_scopes_go_on_without_limit(ada: User) -> None:
    before, secret = AuthToken.objects.create(user=ada)
    assert call(secret, "POST", TOKENS, {"name": "new"}).status_code == 201
    assert TokenGrant.objects.get(token=before).scopes == []
    TokenGrant.objects.all().delete()
    migration = import_module("accounts.migrations.0004_token_grant")
    migration.grant_those_that_exist(apps, None)
    assert TokenGrant.objects.count() == AuthToken.objects.count() == 2


def test_too_many_in_an_hour_are_refused_and_revoking_is_not(
    ada: User, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TokenRate, "rate", "2/hour")
    client = client_of(ada)
    made = [client.post(TOKENS, {"name": "a"}, JSON) for _ in range(3)]
    assert [answer.status_code for answer in made] == [201, 201, 429]
    assert int(made[-1]["Retry-After"]) > 0
    pk = made[0].json()["id"]
    assert client.post(f"{TOKENS}{pk}/rotate/", {}, JSON).status_code == 429
    assert client.get(TOKENS).status_code == 200
    assert client.delete(f"{TOKENS}{pk}/").status_code == 204


def test_the_admin_lists_everybody_s_for_admins_alone_and_revokes(
    ada: User, rosa: User, olga: User, client_of: ClientOf
) -> None:
    grant, secret = create_token(user=ada, name="notebook", scopes=["read"])
    create_token(user=rosa)
    page = reverse("admin:accounts_tokengrant_changelist")
    assert client_of(rosa).get(page).status_code == 403
    shown = client_of(olga).get(page).content.decode()
    assert "notebook" in shown and "all that the role may do" in shown
    assert secret not in shown and grant.token.digest not in shown
    one = reverse("admin:accounts_tokengrant_change", args=[grant.pk])
    assert grant.token.digest not in client_of(olga).get(one).content.decode()
    delete = reverse("admin:accounts_tokengrant_delete", args=[grant.pk])
    assert client_of(rosa).post(delete, {"post": "yes"}).status_code == 403
    assert client_of(olga).post(delete, {"post": "yes"}).status_code == 302
    assert call(secret, "GET", TOKENS).status_code == 401
    assert (last_act().act, last_act().by) == (Act.TOKEN_REVOKED, olga)
    several = {
        "action": "delete_selected",
        "_selected_action": [g.pk for g in TokenGrant.objects.all()],
    }
    assert client_of(olga).post(page, several | {"post": "yes"}).status_code == 302
    assert not AuthToken.objects.exists()
    assert last_act().target_id == rosa.pk


@pytest.mark.parametrize("name", ["ada", "program", "rosa", "olga"])
def test_each_role_has_the_page_with_its_own_scopes(
    request: pytest.FixtureRequest, client_of: ClientOf, name: str
) -> None:
    user: User = request.getfixturevalue(name)
    _, secret = create_token(user=user, name="my notebook")
    page = client_of(user).get("/tokens/").content.decode()
    assert "my notebook" in page and secret not in page
    offered = {scope for scope in Scope if f'name="scopes" value="{scope}"' in page}
    assert offered == set(SCOPES_OF_ROLE[Role(user.role)])


def test_the_admin_s_password_page_is_the_one_with_the_box(rosa: User, client_of: ClientOf) -> None:
    assert client_of(rosa).get("/admin/password_change/")["Location"] == "/password/"
    assert 'name="end_tokens"' in client_of(rosa).get("/password/").content.decode()


def test_the_command_limits_a_token_and_says_for_how_long() -> None:
    out = StringIO()
    arguments = ["feed", "--role", "client", "--token", "--scope", "prompts", "--days", "7"]
    call_command("create_user", *arguments, "--json", stdout=out)
    grant = TokenGrant.objects.get()
    assert grant.scopes == ["prompts"]
    assert round((grant.token.expiry - timezone.now()) / timedelta(days=1)) == 7
    secret = json.loads(out.getvalue())["token"]
    assert call(secret, "GET", "/api/v1/guidelines/1/").status_code == 403
