"""About how much memory a stage needs, from the model's shape and the settings: pure, in bytes.

Training holds float32 weights, gradients and Adam's two moments, PPO several models (docs/ppo.md),
and what a micro-batch leaves behind for its backward pass. A rough figure, without what Python and
PyTorch take themselves; `trainer.rounds.estimates` moves it to what earlier runs really took.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from trainer.algorithms.stages import STAGES

_FLOAT = 4
_SHARED_TRUNKS = 2
# Numbers a token leaves in a layer for each of its hidden dimensions, attention and MLP together.
_KEPT = 16


@dataclass(frozen=True)
class Shape:
    """What of a model decides its footprint."""

    parameters: int
    hidden: int
    layers: int
    vocabulary: int


def shape_of(folder: Path) -> Shape | None:
    """The shape of the checkpoint in a folder; None where its files do not tell."""
    try:
        config = json.loads((folder / "config.json").read_text())
        count = sum(_parameters(path) for path in folder.glob("*.safetensors"))
        names = ("hidden_size", "num_hidden_layers", "vocab_size")
        hidden, layers, vocabulary = (int(config[name]) for name in names)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Shape(count, hidden, layers, vocabulary) if count else None


def needed(stage: str, settings: Mapping[str, Any], shape: Shape) -> int:
    """Bytes that a stage takes with these settings."""
    copies = _SHARED_TRUNKS if settings.get("trunk") == "shared" else STAGES[stage].copies
    parameters = shape.parameters + settings.get("heads", 0) * shape.hidden
    return _FLOAT * copies * parameters + _tokens(settings) * _a_token(stage, settings, shape)


def most_tokens(stage: str, settings: Mapping[str, Any], shape: Shape, memory: int) -> int:
    """The largest micro-batch, in tokens, that fits; 0 where the weights alone do not."""
    weights = needed(stage, {**settings, "tokens_per_micro_batch": 0}, shape)
    return max(0, (memory - weights) // _a_token(stage, settings, shape))


def _tokens(settings: Mapping[str, Any]) -> int:
    """Tokens of the largest micro-batch there can be."""
    size = settings.get("minibatch_size", settings.get("batch_size", settings.get("prompts", 1)))
    longest = settings.get("max_prompt_tokens", 0) + settings.get("max_response_tokens", 0)
    return int(min(settings.get("tokens_per_micro_batch", 0), size * longest))


def _a_token(stage: str, settings: Mapping[str, Any], shape: Shape) -> int:
    # Without a backward pass one layer's numbers are there at a time.
    layers = 1 if STAGES[stage].only_asks else shape.layers
    logits = STAGES[stage].logits * shape.vocabulary
    return _FLOAT * (_KEPT * layers * shape.hidden + logits + settings.get("heads", 0))


def _parameters(path: Path) -> int:
    """Numbers in a safetensors file, by its header."""
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return sum(prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")
