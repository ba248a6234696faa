"""How many tokens a model reads in all, by its configuration: read here and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# What families call it. Recurrent models and those that place tokens by distance alone have none of
# them, and no limit; MPT does, since it lays its distances out for so many tokens and no more.
_NAMES = ("max_position_embeddings", "n_positions", "max_seq_len")


def context_of(folder: Path) -> int | None:
    """Most tokens of prompt and response together; None where the architecture has no limit, or the
    folder does not tell. Nothing is loaded."""
    try:
        # The file, not AutoConfig: the web process asks this for every preview of a round, and
        # never loads transformers.
        return context_in(json.loads((folder / "config.json").read_text()))
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def context_in(config: Mapping[str, Any]) -> int | None:
    """The same of a configuration's values, those of its text part where it has several. A number
    below one stands for no limit, as XLNet's does."""
    # Models that read pictures too keep their language model's numbers one level down.
    text = config.get("text_config") or config
    named = (int(text[name]) for name in _NAMES if text.get(name))
    return next((length for length in named if length > 0), None)
