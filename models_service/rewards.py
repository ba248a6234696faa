"""What a reward model makes of a completion; one reward model stays in a process's memory."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerBase

from models_service.lm.chat import Message, encode_prompt, encode_response, pad_token_id
from models_service.lm.checkpoint import load_reward
from models_service.lm.heads import ScalarModel, at_last_token
from models_service.lm.padding import batches_under_budget, right_pad
from models_service.models import ModelVersion

TOKEN_BUDGET = 8_192


def score(version: ModelVersion, messages: Sequence[Message], text: str) -> float:
    """The score of a completion as the reward model was trained to give it: 0 is as good as a
    demonstration. Raises CheckpointError."""
    return scores(version, messages, [text])[0]


def scores(version: ModelVersion, messages: Sequence[Message], texts: Sequence[str]) -> list[float]:
    """The scores of several completions of one prompt. Raises CheckpointError."""
    return [sum(heads) / len(heads) for heads in opinions(version, messages, texts)]


def opinions(
    version: ModelVersion, messages: Sequence[Message], texts: Sequence[str]
) -> list[list[float]]:
    """What each head of the reward model says of each completion. Raises CheckpointError."""
    model, tokenizer = _loaded(version.folder)
    prompt = encode_prompt(tokenizer, messages)
    rows = [prompt + encode_response(tokenizer, text) for text in texts]
    said: dict[int, list[float]] = {}
    with torch.inference_mode():
        for batch in batches_under_budget([len(row) for row in rows], TOKEN_BUDGET):
            padded = right_pad([rows[i] for i in batch], pad_token_id(tokenizer))
            padded = padded.to(model.head.weight.device)
            states = at_last_token(model.hidden(padded.ids, padded.mask), padded.mask)
            said |= dict(zip(batch, model.opinions(states).tolist(), strict=True))
    return [said[i] for i in range(len(rows))]


@lru_cache(maxsize=1)
def _loaded(folder: Path) -> tuple[ScalarModel, PreTrainedTokenizerBase]:
    model, tokenizer = load_reward(folder)
    return model.to("cuda" if torch.cuda.is_available() else "cpu"), tokenizer
