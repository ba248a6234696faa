"""What a reward model makes of a completion; one reward model stays in a process's memory."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerBase

from models_service.lm import reading
from models_service.lm.chat import PromptRefused
from models_service.lm.checkpoint import load_reward
from models_service.lm.heads import ScalarModel
from models_service.lm.reading import Said
from models_service.models import ModelVersion


def score(version: ModelVersion, answer: Said) -> float:
    """The score of an answer as the reward model was trained to give it: 0 is as good as a
    demonstration. Raises CheckpointError and PromptRefused."""
    return scores(version, [answer])[0]


def scores(version: ModelVersion, answers: Sequence[Said]) -> list[float]:
    """The scores of several answers. Raises CheckpointError and PromptRefused."""
    return [sum(heads) / len(heads) for heads in opinions(version, answers)]


def opinions(version: ModelVersion, answers: Sequence[Said]) -> list[list[float]]:
    """What each head of the reward model says of each answer. Raises CheckpointError, and
    PromptRefused where one of them cannot be put to it."""
    model, tokenizer = _loaded(version.folder, version.sha256)
    said = reading.opinions(model, tokenizer, answers)
    found = [heads for heads in said if heads is not None]
    if len(found) < len(answers):
        raise PromptRefused(f"the chat template of {version} refuses the conversation")
    return found


@lru_cache(maxsize=1)
def _loaded(folder: Path, sha256: str) -> tuple[ScalarModel, PreTrainedTokenizerBase]:
    """The reward model of these weights: another one may have lain in the folder before."""
    model, tokenizer = load_reward(folder)
    return model.to("cuda" if torch.cuda.is_available() else "cpu"), tokenizer
