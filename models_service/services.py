"""Writes about models: the base checkpoint, new versions, promotions."""

from __future__ import annotations

import datetime
import fcntl
import hashlib
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from accounts.audit import Act, record
from accounts.models import User
from core.problems import Problem, refuse
from models_service.check_reports import refusal
from models_service.endpoints import Endpoint, EndpointError
from models_service.engine_table import remote_engines
from models_service.models import EndpointKey, Kind, ModelVersion, Promotion
from models_service.secrets import is_sendable, seal
from models_service.selectors import promoted

# Which kinds of model can play a role.
PLAYERS: Mapping[str, frozenset[str]] = {
    Promotion.Role.POLICY: frozenset({Kind.BASE, Kind.SFT, Kind.POLICY}),
    Promotion.Role.SFT: frozenset({Kind.BASE, Kind.SFT}),
    Promotion.Role.REWARD: frozenset({Kind.REWARD}),
}
# Each is sampled and scored for every answer that is said.
MOST_ANSWERS = 64
PACKAGED_NAME = "SmolLM2-135M-Instruct"
# Models that come with the product, whose tests check them.
_OURS = ("packaged", "tiny")

# From a checkpoint's folder to what was measured: a report of `models_service.check_reports`.
Check = Callable[[Path], Mapping[str, Any]]


def ensure_base(
    name: str, *, check: Check | None = None, options: Mapping[str, Any] | None = None
) -> ModelVersion:
    """The base version of `name`: "packaged", "tiny", a Hugging Face id or a folder.

    On the first call its weights are written below CHECKPOINT_DIR as float32 safetensors, with
    these `options` of its chat template, and checked unless they came with the product; processes
    that call at the same time wait for the one that does it. Not to be called in a transaction: a
    download of minutes would hold it open. Raises CheckpointError when it is not a usable model,
    and leaves nothing of it.
    """
    title = base_title(name)
    folder = _base_folder(title)
    with _alone_at(folder):
        known = ModelVersion.objects.filter(name=title).first()
        if known and (known.folder / "config.json").exists():
            return known
        if not (folder / "config.json").exists():
            write_base(name, folder, options)
        report = _approved(title, folder, check) if check and name not in _OURS else {}
        with transaction.atomic(durable=True):
            return known or register_version(
                name=title, kind=Kind.BASE, folder=folder, check_report=report
            )


def adopt_base(
    name: str, *, check: Check | None = None, options: Mapping[str, Any] | None = None
) -> ModelVersion:
    """`ensure_base`, and the first start makes it the policy that labelers see."""
    version = ensure_base(name, check=check, options=options)
    with transaction.atomic():
        _wait_for_turn("promotion")
        if promoted(Promotion.Role.POLICY) is None:
            promote(role=Promotion.Role.POLICY, version=version, reason="First start.")
    return version


@transaction.atomic
def add_base(
    *, name: str, folder: Path, report: Mapping[str, Any], by: User | None = None
) -> ModelVersion:
    """Take up a folder below CHECKPOINT_DIR that was checked: it moves to the bases' place.

    Raises Problem when the report refuses it, and when the name is another version's.
    """
    _wait_for_turn(f"base:{name}")
    if not report["accepted"]:
        raise Problem(409, refusal(report))
    require_free(name)
    place = _base_folder(name)
    if place.exists():  # another name's, told apart by none of the letters that a folder takes
        place = place.with_name(f"{place.name}-{folder.name.strip('.')[:8]}")
    folder.rename(place)
    version = register_version(name=name, kind=Kind.BASE, folder=place, check_report=report)
    record(act=Act.VERSION_ADDED, by=by, target=version)
    return version


@transaction.atomic
def record_check(*, version: ModelVersion, report: Mapping[str, Any]) -> None:
    """Keep what was measured of a version's weights with all versions that have them."""
    same = ModelVersion.objects.filter(checkpoint=version.checkpoint, engine=version.engine)
    same.update(check_report=dict(report))


@transaction.atomic
def register_version(
    *,
    name: str,
    kind: str,
    folder: Path,
    parent: ModelVersion | None = None,
    figures: Mapping[str, Any] | None = None,
    check_report: Mapping[str, Any] | None = None,
) -> ModelVersion:
    """Record a checkpoint folder, which must lie below CHECKPOINT_DIR.

    Called a second time with the same name and folder it returns the first row, so that a run which
    is finished twice registers once. Raises CheckpointError when the name is another version's.
    """
    # PyTorch, only where it is needed
    from models_service.lm.checkpoint import CheckpointError, weights_sha256

    checkpoint = folder.resolve().relative_to(Path(settings.CHECKPOINT_DIR).resolve())
    version, _ = ModelVersion.objects.get_or_create(
        name=name,
        defaults={
            "kind": kind,
            "checkpoint": checkpoint.as_posix(),
            "sha256": weights_sha256(folder),
            "parent": parent,
            "figures": dict(figures or {}),
            "check_report": dict(check_report or {}),
        },
    )
    if version.checkpoint != checkpoint.as_posix():
        raise CheckpointError(f"There is another version called {name}; rename that one.")
    return version


@transaction.atomic
def register_endpoint(
    *,
    name: str,
    kind: str,
    endpoint: Mapping[str, Any],
    engine: str = "openai",
    key: str = "",
    prefix: str = "",
    by: User | None = None,
) -> ModelVersion:
    """Record a model behind an endpoint, asked by this engine; `key` is sealed and never shown.

    Raises Problem naming the field that is wrong.
    """
    try:
        checked = Endpoint.from_dict(endpoint)
    except EndpointError as error:
        refuse(f"endpoint.{error.name}", f"{error.name} {error.reason}.")
    if engine not in dict(remote_engines()):
        refuse("engine", f"Choose one of {', '.join(dict(remote_engines()))}.")
    if kind not in PLAYERS[Promotion.Role.POLICY]:
        refuse("kind", "A remote model must be base, sft or policy.")
    if key and checked.key_env:
        refuse("key", "Give either the key or the variable that holds it, not both.")
    version = _create(
        name=name,
        kind=kind,
        engine=engine,
        endpoint=checked.as_dict(),
        prefix=prefix,
    )
    if key:
        _seal(version, key)
    record(act=Act.VERSION_ADDED, by=by, target=version)
    return version


@transaction.atomic
def replace_key(*, version: ModelVersion, key: str, by: User | None = None) -> None:
    """Seal this key for a remote version in place of the one before. Raises Problem."""
    _seal(version, key)
    record(act=Act.KEY_REPLACED, by=by, target=version)


def _seal(version: ModelVersion, key: str) -> None:
    if not key or not is_sendable(key):
        refuse("key", "A key has letters, digits and signs only, no spaces.")
    if version.endpoint.get("key_env"):
        refuse("key", f"This version takes its key from {version.endpoint['key_env']}.")
    EndpointKey.objects.update_or_create(version=version, defaults={"sealed": seal(key)})


@transaction.atomic
def register_prompted(
    *, name: str, version: ModelVersion, prefix: str, by: User | None = None
) -> ModelVersion:
    """The same model under a prefix prompt, as a version of its own. Raises Problem."""
    if not prefix.strip():
        refuse("prefix", "Write the prompt that is to stand before every other.")
    prompted = _create(
        name=name,
        kind=version.kind,
        engine=version.engine,
        checkpoint=version.checkpoint,
        endpoint=version.endpoint,
        sha256=version.sha256,
        parent=version,
        prefix=prefix,
        best_of=version.best_of,
        judge=version.judge,
    )
    _copy_key(version, prompted)
    record(act=Act.VERSION_ADDED, by=by, target=prompted, detail={"parent": version.pk})
    return prompted


@transaction.atomic
def register_best_of(
    *,
    name: str,
    version: ModelVersion,
    judge: ModelVersion,
    n: int,
    by: User | None = None,
    figures: Mapping[str, Any] | None = None,
) -> ModelVersion:
    """A policy that draws n answers from `version` and says the one that `judge` scores highest.

    Called a second time with the same values it returns the first row. Raises Problem.
    """
    _check_best_of(version, judge, n)
    known = ModelVersion.objects.filter(name=name, parent=version, judge=judge, best_of=n).first()
    if known:
        return known
    best = _create(
        name=name,
        kind=Kind.POLICY,
        engine=version.engine,
        checkpoint=version.checkpoint,
        endpoint=version.endpoint,
        prefix=version.prefix,
        sha256=version.sha256,
        parent=version,
        judge=judge,
        best_of=n,
        figures=dict(figures or {}),
    )
    _copy_key(version, best)
    detail = {"parent": version.pk, "judge": judge.pk, "best_of": n}
    record(act=Act.VERSION_ADDED, by=by, target=best, detail=detail)
    return best


def _check_best_of(version: ModelVersion, judge: ModelVersion, n: int) -> None:
    if not 2 <= n <= MOST_ANSWERS:
        refuse("n", f"Choose from 2 to {MOST_ANSWERS} answers.")
    if judge.kind != Kind.REWARD:
        refuse("judge", f"{judge} is no reward model.")
    if version.kind == Kind.REWARD:
        refuse("version", f"{version} is a reward model and says nothing.")
    if version.best_of > 1:
        refuse("version", f"{version} is a best-of version itself; choose {version.parent}.")
    for one in (version, judge):
        require_weights(one)


def _copy_key(source: ModelVersion, target: ModelVersion) -> None:
    for key in EndpointKey.objects.filter(version=source):
        EndpointKey.objects.create(version=target, sealed=key.sealed)


def require_free(name: str) -> None:
    """Raises Problem when a version bears this name."""
    if ModelVersion.objects.filter(name=name).exists():
        refuse("name", f"There is a version called {name}; versions never change.")


def _create(*, name: str, **values: Any) -> ModelVersion:
    require_free(name)
    return ModelVersion.objects.create(name=name, **values)


@transaction.atomic
def promote(
    *,
    role: str,
    version: ModelVersion,
    by: User | None = None,
    reason: str = "",
    evidence: Sequence[Mapping[str, Any]] = (),
) -> Promotion:
    """From now on `version` plays `role`; `evidence` are the gates that stood before it.

    Raises Problem when that kind of model cannot, or when its weights are gone.
    """
    require_weights(version)
    if version.kind not in PLAYERS[role]:
        kind = version.get_kind_display().lower()
        refuse("role", f"{version} is a {kind} and cannot serve as {role}.")
    overridden = [gate["name"] for gate in evidence if not gate["met"]]
    detail = {"role": role, "reason": reason, "overridden": overridden}
    record(act=Act.VERSION_PROMOTED, by=by, target=version, detail=detail)
    return Promotion.objects.create(
        role=role, version=version, by=by, reason=reason, evidence=list(evidence)
    )


def require_weights(version: ModelVersion) -> None:
    """Keep the version's weights from being removed until the transaction ends.

    Raises Problem when they are gone already.
    """
    present = ModelVersion.objects.select_for_update(no_key=True).filter(weights_removed_at=None)
    if not present.filter(pk=version.pk).exists():
        raise Problem(
            409,
            f"The weights of {version} were removed to free the disk. Choose another version, or "
            "restore its folder from a backup.",
        )


@contextmanager
def _alone_at(folder: Path) -> Iterator[None]:
    """Hold the place of a base; who comes second, in whatever process, waits."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _wait_for_turn(what: str) -> None:
    """Hold a lock of this name until the transaction ends, on whatever machine it runs."""
    number = int.from_bytes(hashlib.sha256(what.encode()).digest()[:8], "big", signed=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])


def write_base(name: str, folder: Path, options: Mapping[str, Any] | None = None) -> None:
    """Write the model of this name into a folder. From this day on its chat template's clock stands
    still, with these `options` for good. Raises CheckpointError."""
    from models_service.lm import checkpoint, packaged, tiny  # PyTorch, only where it is needed

    if name == "packaged":
        packaged.write_packaged_checkpoint(folder)
    elif name == "tiny":
        tiny.write_tiny_checkpoint(folder)
    else:
        checkpoint.take_up(name, folder, day=datetime.date.today(), options=options or {})


def _approved(title: str, folder: Path, check: Check) -> Mapping[str, Any]:
    """The report on a folder that works; one that does not is removed. Raises CheckpointError."""
    from models_service.lm.checkpoint import CheckpointError  # PyTorch, only where it is needed

    try:
        report = check(folder)
        if not report["accepted"]:
            raise CheckpointError(f"{title} cannot be used here. {refusal(report)}")
    except BaseException:
        shutil.rmtree(folder)
        raise
    return report


def _base_folder(title: str) -> Path:
    return Path(settings.CHECKPOINT_DIR) / "base" / _slug(title)


def base_title(name: str) -> str:
    """What the version is called; folders of the same last name stay apart."""
    if name == "packaged":
        return PACKAGED_NAME
    if not Path(name).is_absolute():
        return name
    return f"{Path(name).name}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _slug(title: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", title).strip("-.") or "model"
