"""Erasing a person everywhere: accounts, prompts, labels, snapshots, samples, exports, the cache.

`trace` finds everything and changes nothing; `erase` finds it again and destroys it in one
transaction, and files after that. What was learned cannot be taken out of weights: the versions
are marked. Copies that left the installation, and backups, are out of reach.
"""

from __future__ import annotations

import hmac
import json
import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import redis
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Coalesce, Now
from knox.models import AuthToken

from accounts.audit import Act, record
from accounts.erasure import erase_account, log_of, sessions_of
from accounts.models import User
from accounts.permissions import ADMIN_ROLES
from core.problems import Problem, refuse
from labeling.exports import files
from labeling.exports.pseudonym_key import export_key
from labeling.intake import uploads
from labeling.models import Prompt
from labeling.people.erasure import Held, destroy, held_of
from models_service.models import ModelVersion
from trainer.data.snapshots import wait_for_erasure
from trainer.models import (
    DatasetSnapshot,
    Erasure,
    Export,
    LogLine,
    Sample,
    SnapshotLabel,
    TrainingRound,
    TrainingRun,
)
from trainer.states import Exports

# How every line of a snapshot begins; an id with a dash is a pair of a few-shot prompt.
_LINE = re.compile(rb'\{"type": "(\w+)", "id": "(\d+)(-\d+)?"')
_PLAYGROUND = "*playground:*"


@dataclass(frozen=True)
class Traces:
    """Everything that holds something of a person, by its ids."""

    person: str
    account: User | None
    held: Held
    snapshots: list[int]
    runs: list[int]
    versions: list[int]
    exports: list[int]
    samples: int
    log_lines: int
    log_entries: list[int]
    sessions: int
    tokens: int

    def __bool__(self) -> bool:
        return bool(self.account or self.held)

    def as_dict(self) -> dict[str, Any]:
        """For `--json`, the API and the page: lists of ids, or counts where rows have no page."""
        values = {**asdict(self), **asdict(self.held), "account": bool(self.account)}
        return {name: value for name, value in values.items() if name != "held"}

    def counts(self) -> dict[str, int]:
        """How many of each kind, without the person."""
        found = {name: value for name, value in self.as_dict().items() if name != "person"}
        return {n: len(v) if isinstance(v, list) else int(v) for n, v in found.items()}


def trace(person: str) -> Traces:
    """What there is of a labeler or API client, by the account's name, or of a prompt's author."""
    account = User.objects.filter(username=person).first()
    _refuse_desk(account)
    authors = {person, *([str(account.pseudonym)] if account else [])}
    held = held_of(account=account, authors=authors - {""})
    snapshots = _snapshots_with(held)
    runs = TrainingRun.objects.filter(round__snapshot__in=snapshots)
    run_ids = list(runs.values_list("pk", flat=True))
    return Traces(
        person=person,
        account=account,
        held=held,
        snapshots=snapshots,
        runs=run_ids,
        versions=sorted(_learned_from(run_ids)),
        exports=_exports(),
        samples=Sample.objects.filter(run__in=run_ids).count(),
        log_lines=LogLine.objects.filter(run__in=run_ids).count(),
        log_entries=list(log_of(account).values_list("pk", flat=True)) if account else [],
        sessions=len(list(sessions_of(account))) if account else 0,
        tokens=AuthToken.objects.filter(user=account).count() if account else 0,
    )


def erase(*, person: str, by: User | None = None) -> tuple[Erasure, Traces | None]:
    """Destroy what `trace` finds; a second time changes nothing and returns the first erasure.

    Raises Problem 404 for who was never here, and 409 while a round is training on their texts.
    """
    with transaction.atomic():
        wait_for_erasure(alone=True)
        traces = trace(person)
        if traces:
            _require_no_training(traces)
            erasure = _erase(traces, by)
        else:
            erasure = _known(person)
    _remember(person)
    sweep()
    return erasure, traces or None


def remembered() -> set[str]:
    """Marks of everybody ever erased here. They stand beside the database, which may be lost, or
    replaced by an older backup."""
    return {*_ledger().read_text().split()} if _ledger().exists() else set()


def replay(marks: set[str]) -> int:
    """Erase whoever has one of the marks and is back, as after a restore; how many there were.

    Under another SECRET_KEY than that of their erasure nobody is recognised.
    """
    if not marks:
        return 0
    accounts = User.objects.values_list("username", flat=True)
    authors = Prompt.objects.exclude(author="").values_list("author", flat=True).distinct()
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    back = [
        name for name in {*accounts, *authors} if any(_mark(name, key) in marks for key in keys)
    ]
    for name in sorted(back):
        erase(person=name)
    return len(back)


def _remember(person: str) -> None:
    with _ledger().open("a") as file:
        file.write(f"{_mark(person, settings.SECRET_KEY)}\n")
        file.flush()
        os.fsync(file.fileno())


def _ledger() -> Path:
    return Path(settings.DATA_DIR) / "erasures"


def _mark(person: str, key: str) -> str:
    """By which a person is known again, and which says nothing without the key."""
    return hmac.new(key.encode(), f"tutelage: erased {person}".encode(), sha256).hexdigest()


def sweep() -> None:
    """Destroy files and cached texts whose rows say that they are gone; done again, nothing."""
    for snapshot in DatasetSnapshot.objects.exclude(erased_at=None):
        snapshot.path.unlink(missing_ok=True)
    for export in Export.objects.filter(state=Export.State.WITHDRAWN):
        files.remove(export.path)
    affected = TrainingRun.objects.exclude(round__snapshot__erased_at=None)
    for run in affected.exclude(state=TrainingRun.State.RUNNING):
        shutil.rmtree(run.work, ignore_errors=True)
    uploads.sweep()
    _forget_playground()


def _erase(traces: Traces, by: User | None) -> Erasure:
    destroy(held=traces.held, account=traces.account)
    DatasetSnapshot.objects.filter(pk__in=traces.snapshots).update(
        erased_at=Coalesce("erased_at", Now())
    )
    ModelVersion.objects.filter(pk__in=traces.versions).update(
        learned_from_erased_at=Coalesce("learned_from_erased_at", Now())
    )
    for table in (Sample, LogLine):
        table.objects.filter(run__in=traces.runs).delete()
    Exports.withdraw.apply(Export.objects.filter(pk__in=traces.exports))
    if traces.account:
        erase_account(traces.account)
    erasure = Erasure.objects.create(who=_who(traces.person), found=traces.counts(), by=by)
    record(act=Act.PERSON_ERASED, by=by, target=traces.account, detail=traces.counts())
    return erasure


def _refuse_desk(account: User | None) -> None:
    if account and account.role in ADMIN_ROLES:
        sentence = (
            "This account runs the admin and has no labels. Give it another role first if it is "
            "really to be erased."
        )
        refuse("person", sentence, 409)


def _require_no_training(traces: Traces) -> None:
    running = TrainingRound.objects.filter(
        snapshot__in=traces.snapshots, state=TrainingRound.State.RUNNING
    ).first()
    if running:
        raise Problem(409, f"{running} is training on their texts. Cancel it first, then erase.")


def _known(person: str) -> Erasure:
    known = Erasure.objects.filter(who=_who(person)).first()
    if known is None:
        sentence = "There is neither an account nor a prompt's author of that name."
        raise Problem(404, sentence, errors={"person": [sentence]})
    return known


def _who(person: str) -> str:
    return hmac.new(export_key(), f"erased {person}".encode(), sha256).hexdigest()


def _exports() -> list[int]:
    """Every export that still has a file: which of them hold the person is not worth a search,
    since each can be made again."""
    gone = (Export.State.EXPIRED, Export.State.WITHDRAWN)
    return list(Export.objects.exclude(state__in=gone).order_by("pk").values_list("pk", flat=True))


def _snapshots_with(held: Held) -> list[int]:
    """Snapshots with a label or a prompt of these, by their rows and by what the files hold."""
    labels = Q(demonstration__in=held.demonstrations) | Q(ranking__in=held.rankings)
    rows = SnapshotLabel.objects.filter(labels).order_by().values_list("snapshot", flat=True)
    found = set(rows.distinct())
    lines = {
        *(("prompt", pk) for pk in held.prompts),
        *(("demonstration", pk) for pk in held.demonstrations),
        *(("ranking", pk) for pk in held.rankings),
    }
    for snapshot in DatasetSnapshot.objects.exclude(pk__in=found) if lines else ():
        if _holds(snapshot, lines):
            found.add(snapshot.pk)
    return sorted(found)


def _holds(snapshot: DatasetSnapshot, wanted: set[tuple[str, int]]) -> bool:
    if not snapshot.path.exists():
        return False
    with snapshot.path.open("rb") as file:
        return any(_line_of(line) in wanted for line in file)


def _line_of(line: bytes) -> tuple[str, int]:
    """What a line is about: ("prompt", 7)."""
    head = _LINE.match(line)
    if head:
        kind, number, pair = head.groups()
        return ("prompt" if pair else kind.decode(), int(number))
    row = json.loads(line)
    number, _, pair = row["id"].partition("-")
    return ("prompt" if pair else row["type"], int(number))


def _learned_from(runs: Iterable[int]) -> set[int]:
    """Versions these runs made, and whatever was trained from those or by their judgement, or says
    what they choose."""
    learned = set(ModelVersion.objects.filter(run__in=list(runs)).values_list("pk", flat=True))
    while True:
        trained = Q(parent__in=learned) | Q(run__round__reward__in=learned)
        rows = ModelVersion.objects.filter(trained | Q(judge__in=learned)).exclude(pk__in=learned)
        new = set(rows.values_list("pk", flat=True))
        if not new:
            return learned
        learned |= new


def _forget_playground() -> None:
    """Drop what was tried in the playground, which may quote anybody, from the cache and from the
    append-only file behind it."""
    with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=5) as cache:
        keys = list(cache.scan_iter(match=_PLAYGROUND, count=1000))
        if keys:
            cache.delete(*keys)
            _rewrite(cache)


def _rewrite(cache: redis.Redis) -> None:
    try:
        cache.bgrewriteaof()
    except redis.ResponseError:  # one is under way, or this server has no such file
        return
