"""What a reward model makes of a completion; one reward model stays in a process's memory."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerBase

from models_service.lm.chat import Message, encode_prompt, encode_response
from models_service.lm.checkpoint import load_reward
from models_service.lm.heads import ScalarModel
from models_service.models import ModelVersion


def score(version: ModelVersion, messages: Sequence[Message], text: str) -> float:
    """The score of a completion as the reward model was trained to give it: 0 is as good as a
    demonstration. Raises CheckpointError."""
    model, tokenizer = _loaded(version.folder)
    tokens = encode_prompt(tokenizer, messages) + encode_response(tokenizer, text)
    ids = torch.tensor([tokens])
    with torch.inference_mode():
        return float(model.scores(ids, torch.ones_like(ids)))


@lru_cache(maxsize=1)
def _loaded(folder: Path) -> tuple[ScalarModel, PreTrainedTokenizerBase]:
    return load_reward(folder)
