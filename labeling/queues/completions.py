"""Drawing the K completions of each task from the models, different from each other.

For training, empty and repeated texts are drawn again with other seeds, a few times. For
evaluation everything counts as it came, since a model that says nothing said that.
"""

from __future__ import annotations

import logging
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from labeling.intake.dedupe import normalised
from labeling.models import Completion, LabelingTask
from labeling.models.guidelines import Purpose
from labeling.queues.sampling_settings import SamplingSettings, sampling_settings
from labeling.queues.shares import apportioned
from models_service.engines import engine_for, reason
from models_service.engines.base import Answer, EngineError, Request
from models_service.models import ModelVersion

ATTEMPTS = 4
_SEEDS_PER_ATTEMPT = 100

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pick:
    """One answer that was kept, who gave it and with which seed."""

    version: ModelVersion
    answer: Answer
    seed: int


@dataclass
class Drawn:
    """What was drawn for a task, why it can never be, or why it was not this time."""

    settings: SamplingSettings
    picks: list[Pick] = field(default_factory=list)
    failure: str = ""
    unanswered: str = ""

    @property
    def given_up(self) -> bool:
        """Whether a reason stands here instead of completions."""
        return bool(self.failure or self.unanswered)

    def completions(self, task: LabelingTask) -> list[Completion]:
        """The rows to store. Their order says nothing about which version answered."""
        random.Random(task.seed).shuffle(self.picks)
        return [
            _completion(task, place, pick, self.settings) for place, pick in enumerate(self.picks)
        ]


def draw(tasks: Sequence[LabelingTask]) -> dict[int, Drawn]:
    """K picks for every task, by the task's id.

    A model that cannot answer leaves its own tasks unanswered, and no others.
    """
    queues = {(task.kind, task.purpose) for task in tasks}
    settings = {queue: sampling_settings(*queue) for queue in queues}
    drawn = {task.pk: Drawn(settings[task.kind, task.purpose]) for task in tasks}
    for version, shares in _shares(tasks).items():
        _draw_from(version, shares, drawn)
    for task in tasks:
        _settle(task, drawn[task.pk])
    return drawn


def _shares(tasks: Sequence[LabelingTask]) -> dict[ModelVersion, dict[LabelingTask, int]]:
    """How many completions of each task each version owes."""
    named = {int(pk) for task in tasks for pk in task.mixture}
    versions = ModelVersion.objects.in_bulk(named)
    shares: dict[ModelVersion, dict[LabelingTask, int]] = defaultdict(dict)
    for task in tasks:
        if task.policy is not None and not task.mixture:
            shares[task.policy][task] = task.completions_wanted
        for pk, count in apportioned(task.mixture, task.completions_wanted).items():
            shares[versions[int(pk)]][task] = count
    return shares


def _draw_from(
    version: ModelVersion, shares: dict[LabelingTask, int], drawn: dict[int, Drawn]
) -> None:
    wanted = {task: len(drawn[task.pk].picks) + count for task, count in shares.items()}
    base = next(iter(shares)).seed
    for attempt in range(ATTEMPTS):
        short = {
            task: count - len(drawn[task.pk].picks)
            for task, count in wanted.items()
            if len(drawn[task.pk].picks) < count and not drawn[task.pk].given_up
        }
        if not short:
            return
        _ask(version, short, base + attempt * _SEEDS_PER_ATTEMPT, drawn)


def _ask(
    version: ModelVersion, short: dict[LabelingTask, int], seed: int, drawn: dict[int, Drawn]
) -> None:
    """One batch; every request asks for as many as the neediest, so that all are alike.

    A task that the engine names gets its reason, and who went without on its account is asked
    again. An error that nobody foresaw names nobody: then halves are tried, down to who is to
    blame.
    """
    tasks, k = list(short), max(short.values())
    try:
        sampled = engine_for(version).sample(
            [_request(task, k, seed, drawn[task.pk].settings) for task in tasks]
        )
        answers = dict(zip(range(len(tasks)), sampled, strict=True))
    except EngineError as error:
        answers = error.answers
        _note(error, version, [drawn[task.pk] for task in tasks])
    except Exception as error:
        answers = {}
        if len(tasks) == 1:
            logger.exception("%s failed while it sampled", version)
            drawn[tasks[0].pk].unanswered = reason(version, error)
    for index, answered in answers.items():
        _pick(version, tasks[index], answered, short[tasks[index]], seed, drawn)
    left = [t for i, t in enumerate(tasks) if i not in answers and not drawn[t.pk].given_up]
    for part in _parts(left, halve=len(left) == len(tasks)):
        _ask(version, {task: short[task] for task in part}, seed, drawn)


def _note(error: EngineError, version: ModelVersion, drawn: Sequence[Drawn]) -> None:
    """Give every task the reason that concerns it: its own, or one that concerns all."""
    for index, words in error.refused.items():
        drawn[index].failure = reason(version, EngineError(words))
    for index, words in error.waiting.items():
        drawn[index].unanswered = reason(version, EngineError(words))
    if not error.refused and not error.waiting:
        for one in drawn:
            one.unanswered = reason(version, error)


def _parts(tasks: list[LabelingTask], *, halve: bool) -> list[list[LabelingTask]]:
    middle = len(tasks) // 2 if halve else 0
    return [part for part in (tasks[:middle], tasks[middle:]) if part]


def _pick(
    version: ModelVersion,
    task: LabelingTask,
    answered: Sequence[Answer],
    count: int,
    seed: int,
    drawn: dict[int, Drawn],
) -> None:
    """Keep up to `count` of the answers that add something."""
    picks = drawn[task.pk].picks
    enough = len(picks) + count
    for place, answer in enumerate(answered):
        if len(picks) < enough and _adds(task, answer, picks):
            picks.append(Pick(version, answer, seed + place))


def _request(task: LabelingTask, k: int, seed: int, settings: SamplingSettings) -> Request:
    return Request(
        messages=task.asked.messages,
        k=k,
        max_new_tokens=settings.max_new_tokens,
        temperature=settings.temperature,
        seed=seed,
    )


def _adds(task: LabelingTask, answer: Answer, picks: list[Pick]) -> bool:
    if task.purpose == Purpose.EVALUATION:
        return True
    text = normalised(answer.text)
    return bool(text) and all(normalised(pick.answer.text) != text for pick in picks)


def _settle(task: LabelingTask, drawn: Drawn) -> None:
    """A task with at least two different completions can be ranked."""
    if drawn.given_up:
        return
    if len(drawn.picks) < min(2, task.completions_wanted):
        drawn.failure = f"{ATTEMPTS} attempts gave fewer than two different completions."


def _completion(
    task: LabelingTask, place: int, pick: Pick, settings: SamplingSettings
) -> Completion:
    answer = pick.answer
    return Completion(
        task=task,
        position=place,
        version=pick.version,
        # PostgreSQL keeps no NUL; a model of bytes may say one.
        text=answer.text.replace("\0", "\N{REPLACEMENT CHARACTER}"),
        sampling={
            "temperature": settings.temperature,
            "max_new_tokens": settings.max_new_tokens,
            "engine": pick.version.engine,
            "engine_version": answer.engine,
        },
        seed=pick.seed,
        finish_reason=answer.finish_reason,
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.completion_tokens,
        logprob=answer.logprob,
        latency_ms=answer.latency_ms,
    )
