"""Exports and erasures over HTTP and as jobs: admins alone, once, resumed, and cleaned up."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry, User
from labeling.exports import files
from labeling.exports.orders import order
from models_service.models import ModelVersion
from tests.trainer.conftest import Labels
from trainer import tasks
from trainer.data.export_jobs import clean_old, perform, request_export
from trainer.jobs import EXPORTS
from trainer.models import Export, TrainingRound
from trainer.rounds.steps import freeze_labels

pytestmark = pytest.mark.django_db

ClientOf = Callable[[User], Client]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What would have been sent to a worker."""
    found: list[int] = []
    monkeypatch.setattr(tasks.write_export, "delay", found.append)
    return found


def post(client: Client, path: str, body: dict[str, Any]) -> Any:
    return client.post(f"/api/v1/{path}/", json.dumps(body), "application/json")


def test_an_admin_asks_for_an_export_a_worker_writes_it_and_the_admin_fetches_it(
    olga: User, labels: Labels, client_of: ClientOf, sent: list[int]
) -> None:
    labels.ranking()
    client = client_of(olga)
    answer = post(client, "exports", {"what": "pairs", "format": "trl", "file": "parquet"})
    assert answer.status_code == 201, answer.content
    export = answer.json()
    assert (export["state"], export["total"], sent) == ("queued", 1, [export["id"]])
    address = f"/api/v1/exports/{export['id']}/"
    assert client.get(f"{address}file/").status_code == 409

    assert perform(export["id"]) and not perform(export["id"])
    told = client.get(address).json()
    assert (told["state"], told["done"], told["rows"]) == ("finished", 1, 5)
    got = b"".join(client.get(f"{address}file/").streaming_content)  # type: ignore[attr-defined]
    assert hashlib.sha256(got).hexdigest() == told["manifest"]["sha256"]
    assert "licence" in told["manifest"]
    entry = AuditEntry.objects.get(act="labels_exported")
    assert (entry.by, entry.detail["what"]) == (olga, "pairs")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"split": "test"}, "split"),
        ({"group": "held_out"}, "group"),
        ({"format": "dpo"}, "format"),
        ({"file": "xlsx"}, "file"),
        ({"round": 99}, "round"),
        ({"policy": "nobody"}, "policy"),
    ],
)
def test_what_must_not_leave_is_refused_by_its_field(
    body: dict[str, Any], field: str, olga: User, client_of: ClientOf, sent: list[int]
) -> None:
    answer = post(client_of(olga), "exports", {"what": "rankings", **body})
    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == [field]
    assert not Export.objects.exists() and sent == []


def test_the_test_split_leaves_for_a_reason_that_the_audit_log_keeps(
    olga: User, client_of: ClientOf, sent: list[int]
) -> None:
    body = {"what": "evaluations", "split": "test", "reason": "For the paper's appendix."}
    assert post(client_of(olga), "exports", body).status_code == 201
    export = Export.objects.get()
    assert (export.split, export.filters) == ("test", {"groups": ["training", "held_out"]})
    entry = AuditEntry.objects.get(act="labels_exported")
    assert (entry.by, entry.detail["reason"]) == (olga, body["reason"])
    assert post(client_of(olga), "exports", body | {"reason": "  "}).status_code == 400
    answer = post(client_of(olga), "exports", {"what": "evaluations", "split": "train"})
    assert "no evaluations of train" in answer.json()["errors"]["split"][0]


def test_only_admins_export_and_erase(
    rosa: User, ada: User, base: ModelVersion, client_of: ClientOf, sent: list[int]
) -> None:
    Export.objects.create(what="rankings", shape="whole", file="jsonl", split="train")
    for user in (rosa, ada):
        client = client_of(user)
        assert post(client, "exports", {"what": "rankings"}).status_code == 403
        assert client.get("/api/v1/exports/").status_code == 403
        assert post(client, "erasures", {"person": "ada", "confirm": "ada"}).status_code == 403
        for page in ("export/", "export/add/", "erasure/", "erasure/add/"):
            assert client.get(f"/admin/trainer/{page}").status_code in (302, 403)
        number = Export.objects.get().pk
        shown = client.get(f"/admin/trainer/export/{number}/change/")
        assert shown.status_code in (302, 403)
    assert User.objects.filter(username="ada").exists()


def test_a_round_is_the_labels_of_its_snapshot(
    olga: User, labels: Labels, base: ModelVersion, client_of: ClientOf, sent: list[int]
) -> None:
    labels.ranking()
    round = TrainingRound.objects.create(preset="tiny", recipe={}, start=base)
    freeze_labels(round=round)
    labels.ranking()
    wanted = {"what": "rankings", "round": round.pk}
    answer = post(client_of(olga), "exports", wanted).json()
    assert (answer["total"], answer["snapshot"]) == (1, TrainingRound.objects.get().snapshot_id)
    perform(answer["id"])
    manifest = Export.objects.get().manifest
    assert manifest["snapshot_sha256"] == TrainingRound.objects.get().snapshot.sha256  # type: ignore[union-attr]


def test_an_export_whose_worker_died_is_gone_on_with_and_old_files_go(
    labels: Labels, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.setattr(files, "_CHUNK", 1)
    for _ in range(3):
        labels.ranking()
    export = request_export(by=None, order=order(what="rankings"))
    kept, written = files._keep, []

    def keep_then_die(path: Any, values: Any) -> None:
        kept(path, values)
        written.append(values.get("labels"))
        if len(written) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(files, "_keep", keep_then_die)
    with pytest.raises(KeyboardInterrupt):
        perform(export.pk)
    assert EXPORTS.lost() == [] and not perform(export.pk), "its worker may still live"
    Export.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    assert EXPORTS.lost() == [export.pk] and perform(export.pk)
    assert written == [0, 1, 2, 3, 3]
    export.refresh_from_db()
    assert (export.state, export.done) == ("finished", 3) and export.path.exists()

    assert clean_old() == 0
    Export.objects.update(ended_at=timezone.now() - timedelta(days=settings.EXPORT_DAYS + 1))
    assert (clean_old(), clean_old()) == (1, 0)
    assert not export.path.exists() and not files.manifest_path(export.path).exists()
    assert Export.objects.get().manifest["rows"] == 3


def test_a_person_is_listed_and_erased_only_under_the_same_name_twice(
    olga: User, ada: User, labels: Labels, client_of: ClientOf
) -> None:
    labels.demonstration()
    client = client_of(olga)
    listed = client.get("/api/v1/erasures/", {"person": "ada"}).json()
    assert len(listed["demonstrations"]) == 1
    refused = post(client, "erasures", {"person": "ada", "confirm": "Ada"})
    assert (refused.status_code, list(refused.json()["errors"])) == (400, ["confirm"])
    assert post(client, "erasures", {"person": "ada", "confirm": "ada"}).status_code == 200
    ada.refresh_from_db()
    assert not ada.is_active
    assert AuditEntry.objects.get(act="person_erased").by == olga
    unknown = post(client, "erasures", {"person": "nobody", "confirm": "nobody"})
    assert unknown.status_code == 404
