"""The check of a model before it is taken up, told by a worker to the page while it is made.

What is asked for and how far it is lie in the cache for a day; a row is written only when a model
is added, or when a version's report is kept. The copy that is checked lies below CHECKPOINT_DIR
under a name that `retention` clears away after a day if nobody adds it.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from django.conf import settings
from django.core.cache import cache

from accounts.models import User
from core.problems import Problem
from labeling.queues.sampling_settings import training_limit
from models_service import services as versions
from models_service.check_reports import refusal
from models_service.models import ModelVersion

if TYPE_CHECKING:  # PyTorch, only where it is needed
    from trainer.algorithms.check import Finding

KEPT_SECONDS = 24 * 3600

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """What is to be checked: a folder or Hugging Face id as `source`, or a version that is there.

    `owner` is the account that may read along. With `add` a source that passes becomes a version
    called `name`.
    """

    owner: int
    source: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    add: bool = False
    version: int | None = None


@dataclass(frozen=True)
class Progress:
    """How far a check is. `state` is waiting, loading, checking, passed, refused or failed;
    `reason` says why it did not pass, `version` which one was added or checked."""

    state: str = "waiting"
    findings: list[dict[str, Any]] = field(default_factory=list)
    report: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    version: int | None = None


def measured(
    folder: Path, tell: Callable[[Finding], None] = lambda finding: None
) -> dict[str, Any]:
    """The report on a checkpoint's folder as a database can keep it, at the labelers' own limit."""
    from trainer.algorithms.check import check

    report = check(folder, response_tokens=training_limit(), tell=tell)
    return _storable(report.to_dict())


def keep(plan: Plan, name: str = "") -> str:
    """Lay the plan where the worker finds it, in place of the one of this name; returns its id."""
    name = name or str(uuid4())
    cache.set(_key(name, "plan"), asdict(plan), KEPT_SECONDS)
    return name


def find(name: str) -> Plan | None:
    """The plan, unless it was never kept or is forgotten."""
    values = cache.get(_key(name, "plan"))
    return Plan(**values) if values else None


def progress(name: str) -> Progress:
    """How far the check of this id is."""
    values = cache.get(_key(name, "progress"))
    return Progress(**values) if values else Progress()


def perform(name: str) -> None:
    """Check what the plan names, and add it where the plan says so. Done twice, it adds once."""
    plan = find(name)
    if plan is None:
        return
    try:
        _check_version(name, plan.version) if plan.version else _check_source(name, plan)
    except Exception as error:
        _tell(name, replace(progress(name), state="failed", reason=_explained(error)))


def _check_version(name: str, pk: int) -> None:
    version = ModelVersion.objects.get(pk=pk)
    report = _checked(name, version.folder) | {"model": version.name}
    versions.record_check(version=version, report=report)
    _tell(name, replace(_verdict(name, report), version=version.pk))


def _check_source(name: str, plan: Plan) -> None:
    done = progress(name)
    if done.version:
        return
    folder = _copy(name)
    if done.state != "passed" or not folder.exists():
        _tell(name, Progress("loading"))
        versions.write_base(plan.source, folder, plan.options)
        done = _verdict(name, _checked(name, folder) | {"model": plan.name})
    if done.state == "refused":
        shutil.rmtree(folder)
    elif plan.add:
        by = User.objects.get(pk=plan.owner)
        version = versions.add_base(name=plan.name, folder=folder, report=done.report, by=by)
        done = replace(done, version=version.pk)
    _tell(name, done)


def _checked(name: str, folder: Path) -> dict[str, Any]:
    """The report on a folder; each finding is told as it is made."""
    _tell(name, Progress("checking"))

    def tell(finding: Finding) -> None:
        so_far = progress(name)
        _tell(name, replace(so_far, findings=[*so_far.findings, _storable(asdict(finding))]))

    return measured(folder, tell)


def _verdict(name: str, report: Mapping[str, Any]) -> Progress:
    state = "passed" if report["accepted"] else "refused"
    return replace(progress(name), state=state, report=report, reason=refusal(report))


def _explained(error: Exception) -> str:
    """Why a check could not be made: in words meant for people, or in the library's own."""
    from models_service.lm.checkpoint import CheckpointError

    if isinstance(error, Problem):
        return str(error.detail)
    words = str(error).strip().rstrip(".")
    if isinstance(error, CheckpointError):
        return f"{words[:1].upper()}{words[1:]}."
    logger.exception("A check failed", exc_info=error)
    said = f"{type(error).__name__}: {words}" if words else type(error).__name__
    return f"The check stopped ({said}). The worker's log says where."


def _storable(values: Mapping[str, Any]) -> dict[str, Any]:
    """Neither JSON nor the database knows infinity and what is no number: null stands for them."""
    return dict(json.loads(json.dumps(values), parse_constant=lambda _name: None))


def _copy(name: str) -> Path:
    return Path(settings.CHECKPOINT_DIR) / "base" / f".{name}.new"


def _tell(name: str, told: Progress) -> None:
    cache.set(_key(name, "progress"), asdict(told), KEPT_SECONDS)


def _key(name: str, part: str) -> str:
    return f"model-check:{name}:{part}"
