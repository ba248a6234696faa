"""How many tokens a checkpoint reads in all, from its configuration: nothing is loaded."""

from __future__ import annotations

import json
from pathlib import Path

# GPT-2 and its kin call it otherwise. Recurrent models and those that place tokens by distance
# alone have neither, and no limit.
_NAMES = ("max_position_embeddings", "n_positions")


def context_of(folder: Path) -> int | None:
    """Most tokens of prompt and response together; None where the architecture has no limit, or the
    folder does not tell."""
    try:
        config = json.loads((folder / "config.json").read_text())
        text = config.get("text_config") or config
        return next((int(text[name]) for name in _NAMES if text.get(name)), None)
    except (OSError, ValueError, TypeError, AttributeError):
        return None
