"""What becomes of prompts that hold personal data: redacted, released or dropped; and the search
for such data in prompts that were stored before.

What is redacted is destroyed and does not come back. A release and a drop can be undone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from accounts.audit import Act, record
from accounts.models import User
from core.problems import Problem, refuse
from labeling.expiry import expire_untouched
from labeling.intake import texts
from labeling.intake.cleaning import Marks, marks_of, redacted, spans_of
from labeling.intake.dedupe import spoken
from labeling.intake.languages import language_of
from labeling.intake.near_duplicates import kept_alike
from labeling.intake.parts import changed, parts
from labeling.intake.prompts import recognisers
from labeling.models import Assignment, BulkChange, LabelingTask, Prompt, TaskKind
from labeling.states import Prompts

BATCH = 500


@dataclass
class Scanned:
    """What a search through stored prompts came upon."""

    prompts: int = 0
    quarantined: int = 0


@transaction.atomic
def redact(
    *, prompt: Prompt, by: User, said: Mapping[str, str] | None = None, sure: bool = False
) -> Prompt:
    """Put placeholders, or these texts, in the place of what is personal, and let the prompt go on.

    Args:
        said: Texts by the names of their parts; see `labeling.intake.parts`.
        sure: Keep a text in which something personal is still found.

    Raises Problem, with `found` where something personal is still there.
    """
    held = _held(prompt.pk)
    wanted = redacted(held, held.spans) | dict(said or {})
    for name, text in wanted.items():
        if fault := "is no part of this prompt" if name not in parts(held) else texts.fault(text):
            refuse(name, f"The text {fault}.")
    held.messages, held.instruction, held.examples = changed(held, wanted)
    held.spans = spans_of(held, recognisers())
    if held.spans and not sure:
        kinds = ", ".join(sorted({span["kind"].replace("_", " ") for span in held.spans}))
        sentence = f"Still found: {kinds}. Take it out, or save it as it is."
        raise Problem(409, sentence, extra={"found": held.spans})
    _go_on(held)
    _forget_draft(held)
    record(act=Act.PROMPT_REDACTED, by=by, target=held, detail={"parts": sorted(wanted)})
    return held


@transaction.atomic
def redact_all(*, prompts: QuerySet[Prompt], by: User) -> int:
    """Put placeholders into all of these; returns how many."""
    waiting = list(_quarantined(prompts))
    for prompt in waiting:
        redact(prompt=prompt, by=by, sure=True)
    return len(waiting)


@transaction.atomic
def release(*, prompts: QuerySet[Prompt], reason: str, by: User) -> BulkChange:
    """Let prompts go on as they are, for a reason; those that are nearly others are linked.

    Raises Problem where there is no reason.
    """
    if not reason.strip():
        refuse("reason", "Say why these prompts may be used as they are.")
    released = []
    for prompt in _quarantined(prompts):
        _go_on(prompt)
        record(act=Act.PROMPT_RELEASED, by=by, target=prompt, detail={"reason": reason.strip()})
        if prompt.state == Prompt.State.ACTIVE:
            released.append(prompt.pk)
    return _change(Prompt.State.QUARANTINED, Prompt.State.ACTIVE, released, by)


@transaction.atomic
def drop(*, prompts: QuerySet[Prompt], by: User) -> BulkChange:
    """Withdraw prompts; they stay where only admins read them, until they are erased."""
    dropped = [prompt.pk for prompt in _quarantined(prompts)]
    Prompts.drop.apply(Prompt.objects.filter(pk__in=dropped))
    for prompt in Prompt.objects.filter(pk__in=dropped):
        record(act=Act.PROMPT_DROPPED, by=by, target=prompt)
    return _change(Prompt.State.QUARANTINED, Prompt.State.WITHDRAWN, dropped, by)


def to_scan() -> QuerySet[Prompt]:
    """What a search for personal data looks through: all but what waits already or was erased."""
    rows = Prompt.objects.exclude(state=Prompt.State.QUARANTINED)
    return rows.exclude(fingerprint__startswith="erased-").order_by("pk")


@transaction.atomic
def scan(*, ids: Sequence[int], by: User | None = None, keep: bool = True) -> Scanned:
    """Look through stored prompts, as at intake: what is personal, what is alike, which language.

    What was released before stays released. Without `keep` nothing is changed. The prompts are
    held meanwhile, so that nothing is written that was found in an older text.
    """
    prompts = list(to_scan().filter(pk__in=ids).select_for_update(no_key=True))
    found, result = recognisers(), Scanned(prompts=len(prompts))
    personal = []
    for prompt in prompts:
        _mark(prompt, marks_of(prompt.messages))
        prompt.language = prompt.language or language_of(spoken(prompt.messages))
        spans = spans_of(prompt, found)
        if spans and prompt.state == Prompt.State.ACTIVE and _are_new(spans, prompt.spans):
            personal.append(prompt.pk)
        prompt.spans = spans
    result.quarantined = len(personal)
    if keep:
        fields = ["prefix_fingerprint", "bands", "language", "spans"]
        Prompt.objects.bulk_update(prompts, fields)
        _quarantine(personal, by)
    return result


def _quarantine(ids: list[int], by: User | None) -> None:
    if not Prompts.quarantine.apply(Prompt.objects.filter(pk__in=ids)):
        return
    change = _change(Prompt.State.ACTIVE, Prompt.State.QUARANTINED, ids, by)
    expired = expire_untouched(LabelingTask.objects.filter(prompt__in=ids))
    BulkChange.objects.filter(pk=change.pk).update(expired=expired)


def _are_new(found: list[dict[str, Any]], known: list[dict[str, Any]]) -> bool:
    return any(span not in known for span in found)


def _go_on(prompt: Prompt) -> None:
    """Out of the quarantine: linked where it is nearly, or just, another one, else active."""
    marks = marks_of(prompt.messages)
    same = Prompt.objects.filter(fingerprint=marks.fingerprint).exclude(pk=prompt.pk).first()
    if same:
        marks = Marks(f"redacted-{prompt.pk}", "", [])
    kept = same.pk if same else next(kept_alike([(marks, prompt.messages)]))
    move = Prompts.release if kept is None else Prompts.link
    _mark(prompt, marks)
    values = {name: getattr(prompt, name) for name in _WRITTEN}
    moved = move.apply(Prompt.objects.filter(pk=prompt.pk), **values, duplicate_of=kept)
    if not moved:
        raise Problem(409, f"{prompt} is in quarantine no more; somebody else was quicker.")
    prompt.state = move.target


_WRITTEN = (
    "messages",
    "instruction",
    "examples",
    "spans",
    "fingerprint",
    "prefix_fingerprint",
    "bands",
)


def _mark(prompt: Prompt, marks: Marks) -> None:
    prompt.prefix_fingerprint, prompt.bands = marks.prefix_fingerprint, marks.bands
    if prompt.state == Prompt.State.QUARANTINED:
        prompt.fingerprint = marks.fingerprint


def _forget_draft(prompt: Prompt) -> None:
    """What its author typed held the same."""
    written = Assignment.objects.filter(task__prompt=prompt, task__kind=TaskKind.PROMPT_WRITING)
    written.update(draft={}, submission_hash="")


def _change(old: str, new: str, ids: list[int], by: User | None) -> BulkChange:
    change = BulkChange.objects.create(
        table=BulkChange.Table.PROMPT,
        field="state",
        value=new,
        before={json.dumps(old): ids},
        count=len(ids),
        by=by,
    )
    if new == Prompt.State.QUARANTINED:
        detail = {"field": "state", "value": new, "count": len(ids)}
        record(act=Act.PROMPTS_CHANGED, by=by, target=change, detail=detail)
    return change


def _held(pk: int) -> Prompt:
    rows = Prompt.objects.select_for_update().filter(state=Prompt.State.QUARANTINED)
    if (held := rows.filter(pk=pk).first()) is None:
        raise Problem(409, f"Prompt {pk} is in quarantine no more; somebody else was quicker.")
    return held


def _quarantined(prompts: QuerySet[Prompt]) -> QuerySet[Prompt]:
    chosen = prompts.order_by().values("pk")
    rows = Prompt.objects.filter(pk__in=chosen, state=Prompt.State.QUARANTINED)
    return rows.order_by("pk").select_for_update()
