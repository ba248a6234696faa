"""backup, restore and verify, on the real embedded PostgreSQL: lose everything and get it back."""

from __future__ import annotations

import json
import shutil
import tarfile
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection, models

from accounts.models import AuditEntry, User
from accounts.services import create_user
from labeling.models import Demonstration, LabelingTask, Prompt, Queue, RankedCompletion, Ranking
from labeling.states import MACHINES
from models_service.models import ModelVersion
from models_service.services import adopt_base
from operations import backup
from operations.verify import faults
from tests.trainer.conftest import Labels
from trainer.data.erasure import erase
from trainer.data.snapshots import freeze
from trainer.models import DatasetSnapshot

pytestmark = pytest.mark.django_db(transaction=True)

TABLES = (User, Prompt, Demonstration, Ranking, RankedCompletion, ModelVersion, DatasetSnapshot)


def run(command: str, *arguments: object) -> Any:
    out = StringIO()
    call_command(command, *map(str, arguments), "--json", stdout=out)
    return json.loads(out.getvalue())


@pytest.fixture(autouse=True)
def _alone(transactional_db: None) -> None:
    """Threads of earlier tests' web servers may have left connections behind."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.fixture
def snapshot() -> DatasetSnapshot:
    """An installation with a model, labels and their snapshot."""
    labels = Labels(adopt_base("tiny"), create_user(name="ada", role="labeler")[0])
    labels.demonstration()
    labels.ranking()
    return freeze()


def contents() -> list[Any]:
    return [list(model.objects.order_by("pk").values()) for model in TABLES]


def files() -> dict[str, bytes]:
    weights = [path for path in ModelVersion.objects.get().folder.rglob("*") if path.is_file()]
    snapshots = [snapshot.path for snapshot in DatasetSnapshot.objects.all()]
    return {str(path): path.read_bytes() for path in weights + snapshots}


def sentences() -> list[str]:
    return [f"{fault.where}: {fault.what}" for fault in faults()]


def test_what_is_lost_comes_back_whole(snapshot: DatasetSnapshot, tmp_path: Path) -> None:
    path = tmp_path / "monday.tar"
    rows, bytes_ = contents(), files()
    assert sentences() == []
    made = run("backup", path)
    assert made["bytes"] == path.stat().st_size and list(tmp_path.iterdir()) == [path]

    with pytest.raises(CommandError, match="an installation here already"):
        run("restore", path)
    assert contents() == rows
    _lose_everything()
    assert backup.is_empty()
    assert run("restore", path) == {
        "created_at": json.loads(_member(path, "manifest.json"))["created_at"],
        "files": made["files"],
        "same_secret_key": True,
        "erased_again": 0,
    }
    assert (contents(), files()) == (rows, bytes_)
    assert run("verify") == {"faults": []}
    entry = AuditEntry.objects.create(act="person_erased")
    with pytest.raises(Exception, match="append-only"):
        entry.delete()
    run("backup", path)
    run("restore", path, "--replace")


def test_a_backup_holds_no_secret_and_says_so(snapshot: DatasetSnapshot, tmp_path: Path) -> None:
    path = tmp_path / "b.tar"
    run("backup", path)
    assert settings.SECRET_KEY.encode() not in path.read_bytes()
    assert "SECRET_KEY" in _member(path, "SECRETS.txt")


def test_damage_in_the_archive_is_found_before_anything_changes(
    snapshot: DatasetSnapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "b.tar"
    run("backup", path)
    whole, rows = path.read_bytes(), contents()
    line = snapshot.path.read_bytes()
    path.write_bytes(whole.replace(line, b"x" * len(line)))
    with pytest.raises(CommandError, match="is damaged"):
        run("restore", path, "--replace")
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CommandError, match="backup"):
        run("restore", path, "--replace")
    path.write_bytes(whole)
    other = psycopg2.connect(**_parameters())
    with pytest.raises(CommandError, match="1 others use the database"):
        run("restore", path, "--replace")
    other.close()
    monkeypatch.setattr(backup, "FORMAT", 2)
    with pytest.raises(CommandError, match="take newer code"):
        run("restore", path, "--replace")
    assert contents() == rows


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda made: made["files"].update({"checkpoints/../../x": {"sha256": ""}}), "outside"),
        (lambda made: made["files"].update({"/etc/passwd": {"sha256": ""}}), "no file of an"),
        (lambda made: made["files"].update({"snapshots/lost": {"sha256": ""}}), "is missing"),
        (lambda made: made["files"].pop("database.dump"), "lacks something"),
        (lambda made: made.pop("files"), "no manifest"),
        (lambda made: made.pop("migrations"), "lacks something"),
        (lambda made: made.update(created_at=3), "lacks something"),
    ],
)
def test_names_and_manifest_are_checked_before_anything_changes(
    snapshot: DatasetSnapshot, tmp_path: Path, change: Any, sentence: str
) -> None:
    path, forged = tmp_path / "b.tar", tmp_path / "forged.tar"
    run("backup", path)
    rows = contents()
    manifest = json.loads(_member(path, backup.MANIFEST))
    change(manifest)
    with tarfile.open(path) as archive, tarfile.open(forged, "w") as other:
        for info in archive.getmembers():
            if info.name != backup.MANIFEST:
                other.addfile(info, archive.extractfile(info))
        backup._add_text(other, backup.MANIFEST, json.dumps(manifest))
    with pytest.raises(CommandError, match=sentence):
        run("restore", forged, "--replace")
    assert contents() == rows


def test_who_was_erased_after_the_backup_is_erased_again(
    snapshot: DatasetSnapshot, tmp_path: Path, settings: Any
) -> None:
    settings.DATA_DIR = tmp_path
    path = tmp_path / "b.tar"
    run("backup", path)
    erase(person="ada")
    assert "ada" not in (tmp_path / "erasures").read_text()
    assert run("restore", path, "--replace")["erased_again"] == 1
    assert not User.objects.filter(username="ada").exists()
    assert set(Demonstration.objects.values_list("text", flat=True)) == {""}
    assert run("restore", path, "--replace")["erased_again"] == 1  # as often as it is needed


def test_verify_names_every_fault_and_what_to_do(snapshot: DatasetSnapshot, tmp_path: Path) -> None:
    path = tmp_path / "b.tar"
    run("backup", path)
    Queue.objects.create(kind="ranking", purpose="training")
    snapshot.path.chmod(0o644)
    snapshot.path.write_bytes(b"something else")
    weights = next(ModelVersion.objects.get().folder.glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    Prompt.objects.filter(pk=Prompt.objects.latest("pk").pk).update(state="lost")
    RankedCompletion.objects.latest("pk").delete()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE labeling_queue DROP CONSTRAINT queue_overlap_positive")
        cursor.execute("ALTER TABLE labeling_queue DROP CONSTRAINT queue_k_in_range")
        cursor.execute("UPDATE labeling_queue SET completions = 99")
        cursor.execute(
            "ALTER TABLE labeling_queue ADD CONSTRAINT queue_k_in_range "
            "CHECK (completions BETWEEN 2 AND 9) NOT VALID"
        )
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("UPDATE labeling_demonstration SET labeler_id = 999999")
        cursor.execute("SET session_replication_role = DEFAULT")
    found = "\n".join(sentences())
    for sentence in (
        "its sha256 differs",
        "is not what was registered",
        "unknown state 'lost'",
        "leave completions of their task out",
        "constraint queue_overlap_positive is missing",
        "constraint queue_k_in_range was never checked",
        "1 rows break queue_k_in_range",
        "1 rows break labeling_demonstration_labeler_id",
    ):
        assert sentence in found
    with pytest.raises(CommandError, match="faults were found"):
        call_command("verify", stdout=StringIO())
    run("restore", path, "--replace")
    assert sentences() == []


def test_every_state_that_verify_accepts_is_drawn_in_the_docs() -> None:
    drawn = (Path(settings.BASE_DIR) / "docs" / "states.md").read_text()
    for machine in MACHINES:
        states: type[models.TextChoices] = type(machine.starts[0])  # type: ignore[attr-defined]
        for state in states.values:
            assert state in drawn, f"{machine.__name__} does not draw {state}"
    assert LabelingTask.State.values


def _lose_everything() -> None:
    call_command("flush", interactive=False, verbosity=0)
    for folder in (settings.CHECKPOINT_DIR, settings.SNAPSHOT_DIR):
        shutil.rmtree(folder)


def _member(path: Path, name: str) -> str:
    with tarfile.open(path) as archive:
        file = archive.extractfile(name)
        assert file
        return file.read().decode()


def _parameters() -> dict[str, Any]:
    connection.ensure_connection()
    given = connection.connection.get_dsn_parameters()
    return {name: given[name] for name in ("host", "user", "dbname") if name in given}
