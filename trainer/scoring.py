"""What models make of texts that are there already: scores, divergences. No database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerBase

from models_service.lm.chat import Message, encode_prompt, encode_response, pad_token_id
from models_service.lm.checkpoint import load_policy, load_reward
from models_service.lm.padding import batches_under_budget, right_pad
from models_service.lm.scoring import response_logprobs

BUDGET = 4096
_SLICE = 64


@dataclass(frozen=True)
class Said:
    """An answer to a conversation; `finished`: it ended by itself, not at the limit."""

    messages: Sequence[Message]
    text: str
    finished: bool = True


@dataclass(frozen=True)
class Speaker:
    """A policy's checkpoint folder and the system prompt it speaks under, if any."""

    folder: Path
    prefix: str = ""


def reward_scores(
    folder: Path, answers: Sequence[Said], report: Callable[[int], None] = lambda done: None
) -> list[float]:
    """The reward model's score of every answer; tells how many are done. Raises CheckpointError."""
    model, tokenizer = load_reward(folder)
    model = model.to(_device()).eval()
    pad, scores = pad_token_id(tokenizer), []
    for start in range(0, len(answers), _SLICE):
        part = answers[start : start + _SLICE]
        rows = [_prompt(tokenizer, one) + encode_response(tokenizer, one.text) for one in part]
        found = dict.fromkeys(range(len(rows)), 0.0)
        for batch in batches_under_budget([len(row) for row in rows], BUDGET):
            padded = right_pad([rows[i] for i in batch], pad).to(_device())
            with torch.inference_mode():
                values = model.scores(padded.ids, padded.mask).tolist()
            found |= dict(zip(batch, values, strict=True))
        scores += [found[i] for i in range(len(rows))]
        report(len(scores))
    return scores


def divergences(mine: Speaker, other: Speaker, answers: Sequence[Said]) -> list[float] | None:
    """log π(y|x) − log π_other(y|x) in nats of each answer y that `mine` gave.

    Their mean estimates the KL divergence. None where the two do not share a vocabulary. Each
    reads the prompt under its own prefix. Raises CheckpointError.
    """
    parts = []
    vocabularies = []
    for speaker in (mine, other):
        model, tokenizer = load_policy(speaker.folder)
        vocabularies.append(tokenizer.get_vocab())
        prompts = [_prompt(tokenizer, one, speaker.prefix) for one in answers]
        responses = [_response(tokenizer, one) for one in answers]
        with torch.inference_mode():
            scored = response_logprobs(model.to(_device()).eval(), prompts, responses)
        parts.append(scored.logprobs.sum(dim=1).cpu())
    if vocabularies[0] != vocabularies[1]:
        return None
    return (parts[0] - parts[1]).tolist()


def _prompt(tokenizer: PreTrainedTokenizerBase, said: Said, prefix: str = "") -> list[int]:
    system = [Message(role="system", content=prefix)] if prefix else []
    return encode_prompt(tokenizer, [*system, *said.messages])


def _response(tokenizer: PreTrainedTokenizerBase, said: Said) -> list[int]:
    tokens = encode_response(tokenizer, said.text)
    return tokens if said.finished or len(tokens) == 1 else tokens[:-1]


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"
