"""The playground: one prompt to several versions, told by the sampling worker to the page.

Nothing of it reaches the database. The plan and each version's part lie in the cache under keys of
their own, so that writers never meet; an hour later they are gone. Doing a plan twice gives the
same again, so a message may be delivered twice.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from typing import Any
from uuid import uuid4

from django.core.cache import cache

from models_service.engines import engine_for, reason
from models_service.engines.base import Engine, EngineError, Request
from models_service.lm.chat import Message, PromptRefused
from models_service.models import ModelVersion, Promotion
from models_service.selectors import promoted

KEPT_SECONDS = 3600
_TELL_SECONDS = 0.1

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """What is asked of whom. `owner` is the account that may read along."""

    owner: int
    messages: Sequence[Message]
    versions: Sequence[int]
    max_new_tokens: int
    temperature: float
    seed: int


@dataclass(frozen=True)
class Part:
    """How far one version is. `state` is waiting, writing, finished or failed; `reason` says why
    it failed, or why a finished one has no score."""

    version: int
    state: str = "waiting"
    text: str = ""
    finish_reason: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    logprob: float | None = None
    latency_ms: int = 0
    engine: str = ""
    score: float | None = None
    reason: str = ""


def keep(plan: Plan) -> str:
    """Lay the plan where the worker finds it; returns its id."""
    name = str(uuid4())
    cache.set(_key(name), asdict(plan), KEPT_SECONDS)
    return name


def find(name: str) -> Plan | None:
    """The plan, unless it was never kept or is forgotten."""
    values = cache.get(_key(name))
    return Plan(**values) if values else None


def parts(name: str, plan: Plan) -> list[Part]:
    """How far each version is, in the order of the plan."""
    told = cache.get_many([_key(name, version) for version in plan.versions])
    return [
        Part(**told.get(_key(name, version), {"version": version})) for version in plan.versions
    ]


def perform(name: str) -> None:
    """Let all versions answer side by side, and score what they say."""
    plan = find(name)
    if plan is None:
        return
    with ThreadPoolExecutor(len(plan.versions)) as pool:
        futures = [
            pool.submit(_speak, name, plan, version, engine)
            for version, engine in _engines(name, plan).items()
        ]
        judge = promoted(Promotion.Role.REWARD)
        for future in as_completed(futures):
            _tell(name, _scored(future, plan, judge))


def _engines(name: str, plan: Plan) -> Mapping[ModelVersion, Engine]:
    """An engine for every version that can be used; the others have failed."""
    engines = {}
    versions = ModelVersion.objects.in_bulk(plan.versions)
    for version in (versions[pk] for pk in plan.versions):
        try:
            engines[version] = engine_for(version)
        except Exception as error:
            _tell(name, Part(version.pk, "failed", reason=_failed(version, error)))
    return engines


def _speak(name: str, plan: Plan, version: ModelVersion, engine: Engine) -> Part:
    """The whole part of one version, told as it grows."""
    part = Part(version.pk, "writing")
    _tell(name, part)
    request = Request(plan.messages, 1, plan.max_new_tokens, plan.temperature, plan.seed)
    try:
        answer = engine.stream(request, _now_and_then(lambda t: _tell(name, replace(part, text=t))))
    except Exception as error:
        return replace(part, state="failed", reason=_failed(version, error))
    return replace(part, state="finished", **asdict(answer))


def _failed(version: ModelVersion, error: Exception) -> str:
    if not isinstance(error, EngineError):
        logger.exception("%s failed in the playground", version, exc_info=error)
    return reason(version, error)


def _scored(future: Future[Part], plan: Plan, judge: ModelVersion | None) -> Part:
    part = future.result()
    if part.state != "finished":
        return part
    if judge is None:
        return replace(part, reason="No reward model is promoted yet.")
    from models_service.lm.checkpoint import CheckpointError
    from models_service.lm.reading import Said
    from models_service.reward_scoring import score

    said = Said(plan.messages, part.text, finished=part.finish_reason == "stop")
    try:
        return replace(part, score=score(judge, said))
    except (CheckpointError, PromptRefused) as error:
        return replace(part, reason=f"Not scored: {error}.")


def _now_and_then(tell: Callable[[str], None]) -> Callable[[str], None]:
    """`tell`, but not more often than anybody reads."""
    told = 0.0

    def on_text(text: str) -> None:
        nonlocal told
        if time.monotonic() - told > _TELL_SECONDS:
            told = time.monotonic()
            tell(text)

    return on_text


def _tell(name: str, part: Part) -> None:
    cache.set(_key(name, part.version), asdict(part), KEPT_SECONDS)


def _key(name: str, version: Any = "plan") -> str:
    return f"playground:{name}:{version}"
