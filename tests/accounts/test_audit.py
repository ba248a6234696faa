"""The audit log: what is written, that it stays, and how it is searched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils.timezone import localdate

from accounts.audit import Act, record
from accounts.models import AuditEntry, User
from labeling.models import Queue
from models_service.models import ModelVersion

ClientOf = Callable[[User], Client]
PAGE = "/admin/accounts/auditentry/"


def newest() -> AuditEntry:
    return AuditEntry.objects.latest("id")


@pytest.mark.parametrize("rewrite", [lambda rows: rows.update(act="x"), lambda rows: rows.delete()])
def test_the_database_refuses_to_change_or_delete_an_entry(
    olga: User, rewrite: Callable[[Any], Any]
) -> None:
    entry = record(act=Act.VERSION_PROMOTED, by=olga, target=olga, detail={"role": "policy"})
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        rewrite(AuditEntry.objects.filter(pk=entry.pk))
    assert AuditEntry.objects.get(pk=entry.pk).detail == {"role": "policy"}


def test_an_entry_is_undone_with_its_act(olga: User) -> None:
    before = AuditEntry.objects.count()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        record(act=Act.QUEUE_CHANGED, by=olga)
        1 / 0  # noqa: B018
    assert AuditEntry.objects.count() == before


def test_a_queue_s_settings_are_kept_before_and_after(rosa: User, client_of: ClientOf) -> None:
    queue = Queue.objects.create(kind="ranking", purpose="training", ready=12)
    body = {"ready": 20, "overlap": 1, "completions": 4, "mixture": "{}"}
    path = reverse("admin:labeling_queue_change", args=[queue.pk])
    assert client_of(rosa).post(path, body).status_code == 302
    entry = newest()
    assert (entry.act, entry.by, entry.target_id) == (Act.QUEUE_CHANGED, rosa, queue.pk)
    assert entry.detail["ready"] == [12, 20]


def test_an_account_s_role_is_kept_and_its_personal_data_is_not(
    olga: User, ada: User, client_of: ClientOf
) -> None:
    path = reverse("admin:accounts_user_change", args=[ada.pk])
    body = {"username": "ada", "role": "researcher", "is_active": "on", "email": "ada@example.org"}
    assert client_of(olga).post(path, body).status_code == 302
    assert newest().detail == {"role": ["labeler", "researcher"], "email": "changed"}
    path = reverse("admin:auth_user_password_change", args=[ada.pk])
    body = {"password1": "x7-keel-9", "password2": "x7-keel-9"}
    assert client_of(olga).post(path, body).status_code == 302
    assert (newest().act, newest().detail) == (Act.PASSWORD_SET, {})


def test_acts_over_the_api_name_who_asked(rosa: User, client_of: ClientOf) -> None:
    version = ModelVersion.objects.create(name="first", kind="base", checkpoint="nowhere")
    path = reverse("version-promote", args=[version.pk])
    body = {"role": "policy", "reason": "It is better."}
    assert client_of(rosa).post(path, body, "application/json").status_code == 200
    entry = newest()
    assert (entry.act, entry.by, entry.target_id) == (Act.VERSION_PROMOTED, rosa, version.pk)
    assert entry.detail == {"role": "policy", "reason": "It is better.", "overridden": []}


def test_it_is_searched_by_who_what_when_and_words(
    olga: User, rosa: User, ada: User, client_of: ClientOf
) -> None:
    record(act=Act.VERSION_PROMOTED, by=rosa, detail={"reason": "It wins by far."})
    record(act=Act.ACCOUNT_CHANGED, by=olga, target=ada, detail={"role": ["labeler", "admin"]})
    client = client_of(olga)

    def found(**query: Any) -> list[str]:
        answer = client.get(PAGE, query)
        assert answer.status_code == 200
        return [entry.act for entry in answer.context["cl"].result_list]

    assert found(q="wins") == [Act.VERSION_PROMOTED]
    assert found(q="rosa") == [Act.VERSION_PROMOTED, Act.ACCOUNT_ADDED]
    assert found(q="ada") == [Act.ACCOUNT_CHANGED, Act.ACCOUNT_ADDED]
    assert found(who=rosa.pk) == [Act.VERSION_PROMOTED]
    assert found(what="account_changed") == [Act.ACCOUNT_CHANGED]
    assert found(who="0", what="version_promoted") == []
    assert found(at_from="2000-01-01", at_to="2000-01-02") == []
    assert found(at_from=str(localdate()), at_to=str(localdate()), q="wins") != []
    assert found(q="nowhere to be found") == []
    assert 'href="/admin/accounts/user/' in client.get(PAGE).content.decode()


def test_it_is_for_admins_alone(rosa: User, ada: User, client_of: ClientOf) -> None:
    assert client_of(rosa).get(PAGE).status_code == 403
    assert client_of(ada).get(PAGE, follow=True).status_code == 403
    assert "Audit log" not in client_of(rosa).get("/admin/").content.decode()
