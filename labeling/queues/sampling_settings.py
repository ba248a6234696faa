"""How a queue's answers are sampled: the limit and the temperature, its own or the usual ones."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from labeling.models import Queue, TaskKind
from labeling.models.guidelines import Purpose

TEMPERATURE = 1.0  # as the rollouts of PPO, so that the reward model meets what the policy says


@dataclass(frozen=True)
class SamplingSettings:
    """At most so many tokens, drawn at this temperature."""

    max_new_tokens: int
    temperature: float


def sampling_settings(kind: str, purpose: str) -> SamplingSettings:
    """What holds for tasks of this kind and purpose now."""
    queue = Queue.objects.filter(kind=kind, purpose=purpose).first() or Queue()
    return SamplingSettings(
        queue.max_new_tokens or settings.LABELING["max_new_tokens"],
        TEMPERATURE if queue.temperature is None else queue.temperature,
    )


def training_limit() -> int:
    """The length, in tokens, at which the answers are cut that reward models learn from."""
    return sampling_settings(TaskKind.RANKING, Purpose.TRAINING).max_new_tokens
