"""What models make of texts that are there already: scores, divergences. No database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from models_service.lm.chat import encode_prompt
from models_service.lm.checkpoint import load_policy, load_reward
from models_service.lm.reading import Said, encode_answer, opinions
from models_service.lm.scoring import response_logprobs

_SLICE = 64


@dataclass(frozen=True)
class Speaker:
    """A policy's checkpoint folder and the prefix prompt it speaks under, if any."""

    folder: Path
    prefix: str = ""


def reward_scores(
    folder: Path, answers: Sequence[Said], report: Callable[[int], None] = lambda done: None
) -> list[float | None]:
    """The reward model's score of every answer, None where its chat template refuses the
    conversation; tells how many are done. Raises CheckpointError."""
    model, tokenizer = load_reward(folder)
    model = model.to(_device()).eval()
    scores: list[float | None] = []
    for start in range(0, len(answers), _SLICE):
        said = opinions(model, tokenizer, answers[start : start + _SLICE])
        scores += [None if heads is None else sum(heads) / len(heads) for heads in said]
        report(len(scores))
    return scores


def divergences(mine: Speaker, other: Speaker, answers: Sequence[Said]) -> list[float] | None:
    """log π(y|x) − log π_other(y|x) in nats of each answer y that `mine` gave.

    Their mean estimates the KL divergence. None where the two do not share a vocabulary. Each
    reads the prompt under its own prefix. Raises CheckpointError and PromptRefused.
    """
    parts = []
    vocabularies = []
    for speaker in (mine, other):
        model, tokenizer = load_policy(speaker.folder)
        vocabularies.append(tokenizer.get_vocab())
        prompts = [encode_prompt(tokenizer, one.messages, speaker.prefix) for one in answers]
        responses = [encode_answer(tokenizer, one.text, one.finished) for one in answers]
        with torch.inference_mode():
            scored = response_logprobs(model.to(_device()).eval(), prompts, responses)
        parts.append(scored.logprobs.sum(dim=1).cpu())
    if vocabularies[0] != vocabularies[1]:
        return None
    return (parts[0] - parts[1]).tolist()


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"
