"""Imports as a worker does them: in slices, taken up again, cancelled, all or none."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import AuditEntry, User
from core.problems import Problem
from labeling.intake import examining, imports, uploads
from labeling.models import Import, Prompt, RejectedRow, StagedPrompt

pytestmark = pytest.mark.django_db
Make = Callable[..., Import]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: Any) -> Make:
    """`make(rows)`: an import of a file of so many prompts, in batches of ten."""
    monkeypatch.setattr(imports, "BATCH", 10)

    def build(rows: int = 35, tail: str = "") -> Import:
        path = tmp_path / "prompts.jsonl"
        lines = [{"prompt": f"Question {n}?", "id": n} for n in range(rows)]
        path.write_text("\n".join([*map(json.dumps, lines), tail]))
        return uploads.named(path)

    return build


def _state(imported: Import) -> str:
    imported.refresh_from_db()
    return imported.state


def test_it_goes_on_where_it_stopped(make: Make) -> None:
    imported = make()
    slices = 0
    while imports.check(imported.pk, seconds=0):
        slices += 1
        assert StagedPrompt.objects.count() == min(10 * slices, 35)
        assert not Prompt.objects.exists()
    assert (slices, _state(imported)) == (4, "checked")
    assert imported.tally["rows"] == 35
    assert imported.result["added"] == 35  # what would become of them
    imports.accept(imported=imported)
    assert imports.store(imported.pk)
    assert (_state(imported), Prompt.objects.count()) == ("finished", 35)
    assert not StagedPrompt.objects.exists()
    entry = AuditEntry.objects.get(act="prompts_imported")
    assert (entry.target_id, entry.detail["added"]) == (imported.pk, 35)


def test_the_same_file_is_taken_up_again_by_the_command(make: Make) -> None:
    imported = make()
    imports.check(imported.pk, seconds=0)
    assert uploads.named(Path(imported.path)).pk == imported.pk


def test_storing_twice_stores_once(make: Make) -> None:
    imported = make()
    imports.check(imported.pk)
    imported.refresh_from_db()
    imports.accept(imported=imported)
    assert [imports.store(imported.pk), imports.store(imported.pk)] == [True, False]
    with pytest.raises(Problem, match="nothing to import"):
        imports.accept(imported=imported)


def test_a_rehearsal_keeps_nothing(make: Make) -> None:
    imported = make()
    imports.check(imported.pk)
    assert _state(imported) == "checked"
    assert not Prompt.objects.exists()


def test_repeated_ids_are_named_by_both_lines(make: Make) -> None:
    imported = make(3, '{"prompt": "Again?", "id": 1}\n{"prompt": "And again?", "id": "1"}')
    imports.check(imported.pk)
    assert _state(imported) == "checked"
    assert list(RejectedRow.objects.values_list("line", "reason")) == [
        (4, "id '1' stands on line 2 already"),
        (5, "id '1' stands on line 2 already"),
    ]
    assert (imported.tally["bad"], imported.staged.count()) == (2, 3)


def test_bad_lines_are_skipped_only_when_somebody_says_so(make: Make) -> None:
    imported = make(3, "oops")
    imports.check(imported.pk)
    imported.refresh_from_db()
    with pytest.raises(Problem, match="Bad lines: 1"):
        imports.accept(imported=imported)
    imports.accept(imported=imported, skip_invalid=True)
    imports.store(imported.pk)
    assert Prompt.objects.count() == 3


def test_what_cannot_be_read_says_why(make: Make) -> None:
    imported = make(0, "[1, 2]")
    assert not imports.check(imported.pk)
    assert _state(imported) == "failed"
    assert imported.failure.startswith("The file is one JSON array")


def test_a_cancelled_import_leaves_nothing(make: Make) -> None:
    imported = make()
    imports.check(imported.pk, seconds=0)
    uploads.cancel(imported=imported)
    assert not imports.check(imported.pk)
    assert _state(imported) == "cancelled"
    assert not StagedPrompt.objects.exists()
    with pytest.raises(Problem, match="ended already"):
        uploads.cancel(imported=imported)


def test_cancelling_while_it_is_stored_stores_nothing(make: Make) -> None:
    imported = make()
    imports.check(imported.pk)
    imported.refresh_from_db()
    imports.accept(imported=imported)

    def cancel(rows: int) -> None:
        Import.objects.filter(pk=imported.pk).update(state="cancelled")

    assert not imports.store(imported.pk, advance=cancel)
    assert not Prompt.objects.exists()


def test_one_process_at_a_time_has_it_in_hand(make: Make) -> None:
    imported = make()
    assert imports.CHECKS.claim(imported.pk) is not None
    assert not imports.check(imported.pk)
    assert _state(imported) == "checking"
    long_ago = timezone.now() - timedelta(minutes=5)
    Import.objects.update(heartbeat_at=long_ago)
    assert not imports.check(imported.pk)
    assert _state(imported) == "checked"


def test_a_worker_that_stops_leaves_it_for_the_next_one(make: Make, monkeypatch: Any) -> None:
    imported = make()
    with monkeypatch.context() as asked:
        for module in ("core.jobs", "labeling.intake.imports"):
            asked.setattr(f"{module}.stopping", lambda: True)
        assert imports.check(imported.pk), "there is more to do"
        assert (imports.CHECKS.waits(imported.pk), StagedPrompt.objects.count()) == (True, 10)
    assert not imports.check(imported.pk)
    imported.refresh_from_db()
    imports.accept(imported=imported)
    with monkeypatch.context() as asked:
        asked.setattr("labeling.intake.imports.stopping", lambda: True)
        assert not imports.store(imported.pk)
    assert (_state(imported), imported.attempts, imported.worker) == ("accepted", 0, "")
    assert not Prompt.objects.exists() and StagedPrompt.objects.count() == 35
    assert imports.store(imported.pk) and Prompt.objects.count() == 35


def test_ctrl_c_leaves_it_for_the_command_that_is_given_again(make: Make) -> None:
    imported = make()

    def interrupt(size: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        imports.check(imported.pk, advance=interrupt)
    assert not imports.check(imported.pk)
    assert (_state(imported), imported.staged.count()) == ("checked", 35)


def test_who_lost_it_leaves_the_rows_to_the_other(make: Make) -> None:
    imported = make()

    def taken_over(size: int) -> None:
        Import.objects.update(worker="another")

    assert not imports.check(imported.pk, advance=taken_over)
    assert (_state(imported), StagedPrompt.objects.count()) == ("checking", 10)


def test_two_processes_say_what_one_says(make: Make, monkeypatch: Any) -> None:
    monkeypatch.setattr(examining, "LONG", 0)
    imported = make(25, "oops")
    imports.check(imported.pk)
    lines = StagedPrompt.objects.order_by("pk").values_list("line", flat=True)
    assert list(lines) == list(range(1, 26))
    assert RejectedRow.objects.get().line == 26


def test_pieces_are_taken_in_order(olga: User, settings: Any, tmp_path: Path) -> None:
    settings.UPLOAD_DIR = tmp_path
    content = b'{"prompt": "Why?"}\n'
    begun = uploads.begin(name="a.jsonl", size=len(content), modified=7, by=olga)
    uploads.append(import_id=begun.pk, offset=0, chunk=content[:9])
    with pytest.raises(Problem) as refused:
        uploads.append(import_id=begun.pk, offset=0, chunk=content[:9])
    assert refused.value.extra == {"received": 9}
    # The page is opened again: the same file goes on where it stopped.
    again = uploads.begin(name="a.jsonl", size=len(content), modified=7, by=olga)
    assert (again.pk, again.received) == (begun.pk, 9)
    with pytest.raises(Problem, match="this is more"):
        uploads.append(import_id=begun.pk, offset=9, chunk=content)
    done = uploads.append(import_id=begun.pk, offset=9, chunk=content[9:])
    assert (done.state, done.file.read_bytes()) == ("queued", content)
    other = uploads.begin(name="a.jsonl", size=len(content), modified=8, by=olga)
    assert other.pk != begun.pk
    uploads.cancel(imported=done)
    assert not done.file.exists()
