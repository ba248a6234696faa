"""Prompts that hold personal data: redacted, released, dropped, found later, never let through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import AuditEntry, User
from labeling.exports.training_rows import prompts as training_prompts
from labeling.intake import quarantine
from labeling.intake import quarantine_reads as selectors
from labeling.intake.prompts import add_prompts
from labeling.intake.rows import NewPrompt, parse
from labeling.models import BulkChange, LabelingTask, Prompt, Queue, Ranking
from labeling.queues import steering
from labeling.queues.next_prompts import next_prompts

pytestmark = pytest.mark.django_db
Call = Callable[..., Any]
MAIL = "Write to ada@lovelace.io about the engine."
LONG = (
    "Please tell {} that the engine will be ready on Monday, weather permitting, and say why it "
    "took so long: the brass was late, the cards were wet, and everybody wanted to see it twice."
)


def _held(text: str = MAIL, **fields: Any) -> Prompt:
    messages = [{"role": "user", "content": text}]
    assert add_prompts([NewPrompt(messages, **fields)], source="api").quarantined == 1
    return Prompt.objects.latest("pk")


def test_what_is_quarantined_reaches_neither_queues_nor_training() -> None:
    held = _held()
    queue = Queue.objects.create(kind="demonstration", purpose="training")
    assert next_prompts(queue, split=held.split, policy=None, wanted=5) == []
    assert list(training_prompts()) == []


def test_redacting_puts_placeholders_and_lets_it_go_on(olga: User, api: Call) -> None:
    held = _held()
    answer = api(olga, f"prompts/{held.pk}/redact/", {})
    assert answer.json() == {"id": held.pk, "state": "active"}
    held.refresh_from_db()
    assert held.last_message == "Write to [EMAIL] about the engine."
    assert (held.spans, len(held.bands)) == ([], 8)
    entry = AuditEntry.objects.get(act="prompt_redacted")
    assert "ada" not in str(entry.detail)
    # The words are gone, so the same prompt is a new one.
    assert _held().pk != held.pk


def test_the_placeholders_can_be_written_over(olga: User, api: Call) -> None:
    held = _held()
    said = {"messages.0": "Write to a friend about the engine."}
    api(olga, f"prompts/{held.pk}/redact/", {"texts": said})
    held.refresh_from_db()
    assert held.last_message == said["messages.0"]


def test_personal_data_that_is_left_has_to_be_meant(olga: User, api: Call) -> None:
    held = _held()
    said = {"messages.0": "Write to bob@builder.io about the engine."}
    answer = api(olga, f"prompts/{held.pk}/redact/", {"texts": said})
    assert (answer.status_code, answer.json()["found"][0]["kind"]) == (409, "email")
    answer = api(olga, f"prompts/{held.pk}/redact/", {"texts": said, "sure": True})
    assert answer.json()["state"] == "active"


@pytest.mark.parametrize("said", [{"messages.0": " "}, {"messages.7": "x"}, {"author": "x"}])
def test_texts_that_are_none_are_refused(olga: User, api: Call, said: dict[str, str]) -> None:
    held = _held()
    answer = api(olga, f"prompts/{held.pk}/redact/", {"texts": said})
    assert answer.status_code == 400
    assert next(iter(answer.json()["errors"])) in ("texts", *said)
    held.refresh_from_db()
    assert (held.state, held.last_message) == ("quarantined", MAIL)


def test_two_that_are_the_same_once_redacted_are_linked(olga: User) -> None:
    first, second = _held(), _held(MAIL.replace("ada", "bob"))
    assert quarantine.redact_all(prompts=Prompt.objects.all(), by=olga) == 2
    second.refresh_from_db()
    assert (second.state, second.duplicate_of_id) == ("duplicate", first.pk)


def test_one_that_is_nearly_another_is_linked_when_it_is_released(olga: User) -> None:
    kept = add_prompts([NewPrompt([{"role": "user", "content": LONG.format("her")}])], source="api")
    assert kept.added == 1
    held = _held(LONG.format("me@you.io"))
    quarantine.release(prompts=Prompt.objects.filter(pk=held.pk), reason="invented", by=olga)
    held.refresh_from_db()
    assert held.state == "duplicate"


def test_a_release_has_a_reason_and_can_be_undone(olga: User, api: Call, make_task: Call) -> None:
    held = _held()
    assert api(olga, f"prompts/{held.pk}/release/", {"reason": " "}).status_code == 400
    answer = api(olga, f"prompts/{held.pk}/release/", {"reason": "Invented."}).json()
    assert answer["state"] == "active"
    assert AuditEntry.objects.get(act="prompt_released").detail == {"reason": "Invented."}
    task = make_task("demonstration", prompt=Prompt.objects.get(pk=held.pk))
    steering.undo(change=BulkChange.objects.get(pk=answer["change"]), by=olga)
    held.refresh_from_db()
    task.refresh_from_db()
    assert (held.state, task.state) == ("quarantined", "expired")


def test_a_drop_can_be_undone(olga: User, api: Call) -> None:
    held = _held()
    answer = api(olga, f"prompts/{held.pk}/drop/", {}).json()
    assert answer["state"] == "withdrawn"
    assert api(olga, f"prompts/{held.pk}/drop/", {}).status_code == 409
    assert api(olga, f"changes/{answer['change']}/undo/", {}).status_code == 200
    held.refresh_from_db()
    assert held.state == "quarantined"


def test_a_few_shot_prompt_is_redacted_pair_by_pair(olga: User) -> None:
    pairs = [{"input": MAIL, "output": "Done."}, {"input": "Hi", "output": "ada@lovelace.io"}]
    row = parse({"kind": "few_shot", "instruction": "Answer.", "examples": pairs})
    add_prompts([row], source="api")
    prompt = quarantine.redact(prompt=Prompt.objects.get(), by=olga)
    assert [pair["output"] for pair in prompt.examples] == ["Done.", "[EMAIL]"]
    assert "lovelace" not in str((prompt.messages, prompt.examples))


def test_it_is_for_admins(rosa: User, api: Call) -> None:
    held = _held()
    for act in ("redact", "release", "drop"):
        assert api(rosa, f"prompts/{held.pk}/{act}/", {}).status_code == 403


def test_a_scan_finds_what_was_stored_before(
    olga: User, make_prompt: Call, make_task: Call
) -> None:
    clean = make_prompt("Why is the sky blue on a clear day?")
    known = _held()
    Prompt.objects.filter(pk=known.pk).update(state="active", spans=[], bands=[], language="")
    task = make_task("demonstration", prompt=Prompt.objects.get(pk=known.pk))
    assert quarantine.scan(ids=[clean.pk, known.pk], keep=False).quarantined == 1
    assert Prompt.objects.get(pk=known.pk).state == "active"
    result = quarantine.scan(ids=[clean.pk, known.pk])
    assert (result.prompts, result.quarantined) == (2, 1)
    known.refresh_from_db()
    clean.refresh_from_db()
    task.refresh_from_db()
    assert (known.state, known.language, len(known.bands)) == ("quarantined", "en", 8)
    assert (clean.state, task.state) == ("active", "expired")
    steering.undo(change=BulkChange.objects.get(), by=olga)
    assert LabelingTask.objects.get(pk=task.pk).state == "open"


def test_what_was_released_is_not_found_again(olga: User) -> None:
    held = _held()
    quarantine.release(prompts=Prompt.objects.all(), reason="invented", by=olga)
    assert quarantine.scan(ids=[held.pk]).quarantined == 0
    held.refresh_from_db()
    assert held.state == "active"


def test_what_is_found_is_counted_and_marked() -> None:
    held = _held(f"{MAIL} Or to bob@builder.io, or call +44 20 7946 0958.")
    _held()
    assert selectors.counts() == [("email", 2), ("phone", 1)]
    [part] = selectors.marked(held)
    assert "".join(piece.text for piece in part.pieces) == held.last_message
    assert [piece.kind for piece in part.pieces if piece.kind] == ["email", "email", "phone"]
    assert (part.title, part.redacted.count("[EMAIL]")) == ("User", 2)


def test_researchers_neither_read_it_nor_let_it_out(
    rosa: User, olga: User, client_of: Call, api: Call
) -> None:
    held, dropped = _held(), _held(f"{MAIL} Twice.")
    change = quarantine.drop(prompts=Prompt.objects.filter(pk=dropped.pk), by=olga)
    for user, seen in ((rosa, False), (olga, True)):
        page = client_of(user).get("/admin/labeling/prompt/").content.decode()
        assert (str(held.pk) in page and "lovelace" in page) is seen
        found = client_of(user).get(f"/admin/labeling/prompt/{dropped.pk}/change/")
        assert (found.status_code == 200) is seen
    steering.change_prompts(prompts=Prompt.objects.all(), field="state", value="active", by=rosa)
    assert not Prompt.objects.filter(state="active").exists()
    assert api(rosa, f"changes/{change.pk}/undo/", {}).status_code == 403
    Prompt.objects.filter(pk=held.pk).update(state="active", spans=[])
    assert quarantine.scan(ids=[held.pk]).quarantined == 1
    answer = api(rosa, f"changes/{BulkChange.objects.latest('pk').pk}/undo/", {})
    assert (answer.status_code, "only admins" in answer.json()["detail"]) == (403, True)


def test_a_scan_holds_what_it_reads_and_leaves_the_erased_alone(make_prompt: Call) -> None:
    here, gone = make_prompt("Why is the sky blue?"), make_prompt("Why is the sea blue?")
    Prompt.objects.filter(pk=gone.pk).update(fingerprint="erased-1", state="withdrawn", bands=[])
    with CaptureQueriesContext(connection) as queries:
        assert quarantine.scan(ids=[here.pk, gone.pk]).prompts == 1
    assert any("FOR NO KEY UPDATE" in query["sql"] for query in queries)
    gone.refresh_from_db()
    assert gone.bands == []


def test_what_was_said_about_it_is_for_admins(
    rosa: User,
    olga: User,
    ada: User,
    make_task: Call,
    claim: Call,
    api: Call,
    ranking_of: Call,
    client_of: Call,
) -> None:
    task, held = make_task(), claim(ada)
    api(ada, f"assignments/{held['id']}/submit/", ranking_of(held))
    LabelingTask.objects.create(kind="prompt_writing", state="open")  # of no prompt at all
    Prompt.objects.filter(pk=task.prompt_id).update(state="quarantined")
    ranking = Ranking.objects.get()
    for user, seen in ((rosa, False), (olga, True)):
        desk = client_of(user)
        for table, rows in (("labelingtask", 1), ("completion", 4), ("ranking", 1)):
            listed = desk.get(f"/admin/labeling/{table}/").context["cl"]
            assert listed.result_count == (table == "labelingtask") + rows * seen
        for page in (f"ranking/{ranking.pk}/change", f"ranking/adjudicate/{task.pk}"):
            assert (desk.get(f"/admin/labeling/{page}/").status_code == 200) is seen
        found = desk.get(f"/admin/labeling/labelingtask/{task.pk}/change/")
        assert (found.status_code == 200) is seen


def test_what_still_waits_with_it_comes_to_nobody(
    ada: User, ben: User, api: Call, claim: Call, make_task: Call
) -> None:
    task = make_task(overlap=2)
    held = claim(ada)
    Prompt.objects.filter(pk=task.prompt_id).update(state="quarantined")
    kinds = {"kinds": ["ranking"]}
    assert api(ben, "assignments/claim/", kinds).status_code == 204
    assert api(ada, f"assignments/{held['id']}/release/", {"reason": "unclear"}).status_code == 200
    assert api(ben, "assignments/claim/", kinds).status_code == 204


def test_a_reserved_task_does_not_begin_with_it(
    ada: User, api: Call, claim: Call, make_task: Call
) -> None:
    for _ in range(3):
        make_task()
    first = claim(ada)
    reserved = api(ada, f"assignments/{first['id']}/next/").json()
    Prompt.objects.filter(pk=reserved["prompt"]["id"]).update(state="quarantined")
    path = f"assignments/{first['id']}/release/?next={reserved['id']}"
    assert api(ada, path, {"reason": "unclear"}).json()["next"] is None
