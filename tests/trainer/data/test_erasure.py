"""`manage.py erase_person`: afterwards no byte of the person's text is anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection
from django.db.transaction import atomic
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry, User
from accounts.tokens import create_token
from core.problems import Problem
from labeling.exports.orders import order
from labeling.intake import imports, uploads
from labeling.intake.prompts import split_of
from labeling.models import (
    Assignment,
    Completion,
    Demonstration,
    Import,
    LabelerProfile,
    LabelingTask,
    Prompt,
    Ranking,
    Report,
    Review,
    Slot,
)
from labeling.queues.steering import change_prompts, undo
from labeling.review.reviews import restore
from models_service.models import ModelVersion
from models_service.playground import Plan, keep
from tests.trainer.conftest import Labels
from trainer.data.export_jobs import perform, request_export
from trainer.data.snapshots import freeze
from trainer.models import DatasetSnapshot, Erasure, Export, LogLine, Sample, TrainingRound
from trainer.rounds.steps import freeze_labels

pytestmark = pytest.mark.django_db

MARK = "zebrafinch"
SERVERS = ("postgres", "valkey")


def everywhere(text: str) -> list[str]:
    """Tables, files and cache keys in which the text stands."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(
                f'SELECT count(*) FROM "{table}" t WHERE t::text ILIKE %s', [f"%{text}%"]
            )
            if cursor.fetchone()[0]:
                found.append(table)
    found += [str(path) for path in _files() if text.encode() in path.read_bytes()]
    with redis.Redis.from_url(settings.REDIS_URL) as broker:
        found += [k.decode() for k in broker.keys("*play*") if text.encode() in broker.get(k)]
    return found


def _files() -> Iterator[Path]:
    """Every file of the installation; those of the servers are searched by asking them."""
    for path in Path(settings.DATA_DIR).rglob("*"):
        if path.is_file() and path.relative_to(settings.DATA_DIR).parts[0] not in SERVERS:
            yield path


def erase(person: str, *options: str) -> dict[str, Any]:
    out = StringIO()
    call_command("erase_person", person, "--json", *options, stdout=out)
    return json.loads(out.getvalue())


@pytest.fixture
def zoe(ada: User) -> User:
    """The labeler who is to be forgotten, all over the installation."""
    User.objects.filter(pk=ada.pk).update(
        username=MARK, first_name=MARK, email=f"{MARK}@example.org"
    )
    ada.refresh_from_db()
    LabelerProfile.objects.create(user=ada, declined_topics=[MARK])
    Client().force_login(ada)
    create_token(user=ada)
    LogEntry.objects.create(
        user=ada,
        content_type=ContentType.objects.get_for_model(User),
        object_id=str(ada.pk),
        object_repr=MARK,
        action_flag=CHANGE,
        change_message=MARK,
    )
    return ada


def written_by(author: str) -> Prompt:
    return Prompt.objects.create(
        messages=[{"role": "user", "content": f"What sings a {MARK}?"}],
        instruction=MARK,
        examples=[{"input": MARK, "output": MARK}] * 2,
        topic=MARK,
        kind="few_shot",
        author=author,
        source="labeler",
        split=split_of(author, "", ""),
        fingerprint=f"{MARK}-{author}",
    )


def work_on(prompt: Prompt, labeler: User, version: ModelVersion) -> Assignment:
    """An open task of this prompt with a completion, held with a draft and a report."""
    task = LabelingTask.objects.create(
        kind="ranking", prompt=prompt, state="open", policy=version, failure=MARK
    )
    Completion.objects.create(
        task=task,
        position=0,
        version=version,
        text=f"The {MARK} sings.",
        sampling={},
        seed=0,
        finish_reason="stop",
        prompt_tokens=1,
        completion_tokens=1,
    )
    Slot.objects.create(
        task=task, number=0, state="held", labeler=labeler, kind="ranking", purpose="training"
    )
    assignment = Assignment.objects.create(
        task=task, labeler=labeler, draft={"text": MARK}, lease_expires_at="2030-01-01T00:00Z"
    )
    Report.objects.create(assignment=assignment, text=MARK, answer=MARK)
    Review.objects.create(assignment=assignment, kind="comment", text=MARK, by=labeler)
    return assignment


def trained_on(snapshot: DatasetSnapshot, version: ModelVersion) -> ModelVersion:
    """What a finished round made of the snapshot, with a sample that quotes it."""
    round = TrainingRound.objects.create(
        preset="tiny",
        recipe={"stages": ["sft"]},
        state="finished",
        snapshot=snapshot,
        start=version,
    )
    output = ModelVersion.objects.create(
        name=f"made-of-{snapshot.pk}", kind="sft", checkpoint="none", parent=version
    )
    run = round.runs.create(stage="sft", state="finished", seed=1, output=output)
    run.work.mkdir(parents=True)
    (run.work / "state.json").write_text(MARK)
    Sample.objects.create(run=run, step=1, position=0, prompt=MARK, text=MARK)
    LogLine.objects.create(run=run, level="INFO", text=MARK, at="2026-01-01T00:00Z")
    return output


def test_nothing_of_a_labeler_is_left_and_the_figures_stay(
    zoe: User, ben: User, base: ModelVersion, labels: Labels
) -> None:
    before = freeze()
    labels.demonstration(text=f"A {MARK} eats seeds.", labeler=zoe)
    theirs = labels.ranking(labeler=zoe)
    others = labels.demonstration(text="Gladly.", labeler=ben)
    prompt = written_by(str(zoe.pseudonym))
    assignment = work_on(prompt, ben, base)
    snapshot = freeze()
    version = trained_on(snapshot, base)
    child = ModelVersion.objects.create(name="child", kind="policy", checkpoint="x", parent=version)
    chosen = ModelVersion.objects.create(
        name="chosen", kind="policy", checkpoint="y", parent=base, judge=version, best_of=2
    )
    export = request_export(by=None, order=order(what="demonstrations"))
    assert perform(export.pk)
    keep(Plan(zoe.pk, [{"role": "user", "content": MARK}], [base.pk], 8, 1.0, 1))
    assert len(everywhere(MARK)) >= 12, everywhere(MARK)

    listed = erase(MARK)
    assert (listed["erased"], listed["prompts"], listed["snapshots"]) == (
        False,
        [prompt.pk],
        [snapshot.pk],
    )
    assert len(everywhere(MARK)) >= 12, "a dry run changes nothing"
    assert (listed["versions"], listed["sessions"], listed["tokens"]) == (
        [version.pk, child.pk, chosen.pk],
        1,
        1,
    )

    erase(MARK, "--yes")
    assert everywhere(MARK) == []
    assert everywhere(str(zoe.pseudonym)) == []
    for row in (prompt, assignment, snapshot, before, version, child, export, theirs, others, zoe):
        row.refresh_from_db()
    assert (prompt.state, prompt.use_case, prompt.kind) == ("withdrawn", "other", "few_shot")
    assert (assignment.state, Slot.objects.get(task=assignment.task_id).state) == (
        "released",
        "closed",
    )
    assert list(theirs.ranked.values_list("rank", flat=True)) == [1, 2, 2, 3]
    assert theirs.excluded_at and not others.excluded_at
    assert snapshot.erased_at and not snapshot.path.exists()
    assert before.path.exists() and not before.erased_at
    assert version.learned_from_erased_at and child.learned_from_erased_at
    assert not ModelVersion.objects.get(pk=base.pk).learned_from_erased_at
    assert (export.state, zoe.is_active, zoe.role) == ("withdrawn", False, "labeler")


def test_a_second_time_is_harmless_and_the_log_names_nobody(zoe: User, labels: Labels) -> None:
    labels.demonstration(text=MARK, labeler=zoe)
    erase(MARK, "--yes")
    rows = list(Demonstration.objects.values())
    for options in ([], ["--yes"]):
        assert erase(MARK, *options) == {"erased": True}
    assert list(Demonstration.objects.values()) == rows
    assert Erasure.objects.count() == 1
    entry = AuditEntry.objects.get(act="person_erased")
    assert (entry.target_id, entry.detail["demonstrations"]) == (zoe.pk, 1)


def test_a_prompt_author_without_an_account_is_erased(
    base: ModelVersion, ben: User, labels: Labels
) -> None:
    author = f"{MARK}@example.org"
    prompt, other = written_by(author), labels.prompt()
    work_on(prompt, ben, base)
    snapshot = freeze()
    erase(author, "--yes")
    assert everywhere(MARK) == []
    assert not snapshot.path.exists()
    assert Prompt.objects.get(pk=other.pk).state == "active"
    assert User.objects.get(pk=ben.pk).is_active


def test_somebody_who_stands_only_in_an_import_under_way_is_erased(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text(json.dumps({"prompt": f"What sings a {MARK}?", "author": MARK}))
    imported = uploads.named(path)
    imports.check(imported.pk)
    assert len(erase(MARK)["staged"]) == 1
    assert len(erase(MARK, "--yes")["staged"]) == 1
    assert everywhere(MARK) == []
    assert Import.objects.get(pk=imported.pk).state == "cancelled"
    assert Erasure.objects.get().found["staged"] == 1
    assert erase(MARK, "--yes") == {"erased": True}


def test_undoing_a_bulk_change_brings_nothing_erased_back(
    base: ModelVersion, ben: User, olga: User, labels: Labels
) -> None:
    prompt, other = written_by(MARK), labels.prompt()
    change = change_prompts(prompts=Prompt.objects.all(), field="state", value="withdrawn", by=olga)
    erase(MARK, "--yes")
    change.refresh_from_db()
    assert undo(change=change, by=olga) == 1
    states = dict(Prompt.objects.values_list("pk", "state"))
    assert states == {prompt.pk: "withdrawn", other.pk: "active"}


def test_nothing_erased_can_be_made_to_count_again(
    zoe: User, olga: User, client_of: Any, base: ModelVersion, labels: Labels
) -> None:
    labeled = [labels.demonstration(text=MARK, labeler=zoe), labels.ranking(labeler=zoe)]
    prompt = written_by(MARK)
    erase(MARK, "--yes")
    for label in labeled:
        with pytest.raises(Problem, match="erased on request"):
            restore(label=label, by=olga)
        page = reverse(f"admin:labeling_{label._meta.model_name}_change", args=[label.pk])
        assert "Restore" not in client_of(olga).get(page).content.decode()
    change = change_prompts(prompts=Prompt.objects.all(), field="state", value="active", by=olga)
    assert change.count == 0
    with pytest.raises(IntegrityError, match="prompt_erased_stays_out"), atomic():
        Prompt.objects.filter(pk=prompt.pk).update(state="active")
    with pytest.raises(IntegrityError, match="demonstration_says_something"), atomic():
        Demonstration.objects.update(excluded_at=None)


def test_it_refuses_who_is_unknown_who_runs_the_desk_and_what_is_being_trained_on(
    rosa: User, zoe: User, labels: Labels, base: ModelVersion
) -> None:
    with pytest.raises(CommandError, match="neither an account nor"):
        erase("nobody")
    with pytest.raises(CommandError, match="runs the admin"):
        erase("rosa", "--yes")
    labels.demonstration(text=MARK, labeler=zoe)
    round = TrainingRound.objects.create(preset="tiny", recipe={}, state="running", start=base)
    freeze_labels(round=round)
    with pytest.raises(CommandError, match="training on their texts"):
        erase(MARK, "--yes")
    assert Demonstration.objects.get().text == MARK
    TrainingRound.objects.update(state="cancelled")
    erase(MARK, "--yes")


def test_an_export_that_is_being_written_stops(zoe: User, labels: Labels, monkeypatch: Any) -> None:
    labels.demonstration(text=MARK, labeler=zoe)
    export = request_export(by=None, order=order(what="demonstrations"))
    from labeling.exports import files

    kept = files._keep

    def keep_and_erase(path: Path, values: Any) -> None:
        kept(path, values)
        if path.name.endswith("progress") and values["labels"]:
            erase(MARK, "--yes")

    monkeypatch.setattr(files, "_keep", keep_and_erase)
    perform(export.pk)
    assert everywhere(MARK) == []
    assert Export.objects.get().state == "withdrawn"
    assert Ranking.objects.count() == 0
    cache.clear()
