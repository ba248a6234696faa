"""How data is cut: batches of indices, and pretraining text in blocks of equal length."""

from __future__ import annotations

import hashlib
import pydoc_data.topics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from trainer.algorithms.contract import TrainingError
from trainer.algorithms.data import Example

# Bounds the seconds a start takes to tokenise and the memory of the blocks, which stay in it for
# the whole run.
PRETRAINING_CHARACTERS = 20_000_000
HELD_OUT_BLOCKS = 8


def cut(indices: Sequence[int], size: int) -> list[list[int]]:
    """Consecutive pieces of `size`, the last one possibly smaller."""
    return [list(indices[i : i + size]) for i in range(0, len(indices), size)]


class PretrainingText:
    """Plain text as blocks of equal length, the last few of them held out to measure with.

    Without a file it is the Python language reference that every Python brings along: enough to
    show the mix at work, far too little to preserve a model with. Of a longer file only the first
    PRETRAINING_CHARACTERS are read; `notes` say what was, and its hash is part of a run's name.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, path: Path | None, length: int) -> None:
        text = _read(path)
        self.sha256 = hashlib.sha256(text.encode()).hexdigest()
        # One stream over all documents, cut where a block is full: as language models are
        # pretrained.
        tokens = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        pieces = cut(tokens, length)
        # The first token is the "prompt": it is read and not predicted, for nothing stands before
        # it. A shorter rest is left out, so that all blocks weigh alike.
        blocks = [Example(b[:1], b[1:]) for b in pieces if len(b) == length]
        if len(blocks) <= HELD_OUT_BLOCKS:
            raise TrainingError(
                f"The pretraining text {path} holds only {len(tokens)} tokens; at least "
                f"{length * (HELD_OUT_BLOCKS + 1)} are needed. Name a longer file."
            )
        # The last ones, which no run sees: of the blocks learned from, a loss that stays low would
        # not show that the policy forgets.
        self.blocks = blocks[:-HELD_OUT_BLOCKS]
        self.held_out = blocks[-HELD_OUT_BLOCKS:]
        self.notes: dict[str, Any] = {
            "pretraining_text": str(path) if path else "Python's language reference",
            "pretraining_tokens": len(tokens),
            "pretraining_sha256": self.sha256,
            "pretraining_cut": len(text) == PRETRAINING_CHARACTERS,
        }


def _read(path: Path | None) -> str:
    if path is None:
        # Sorted: the hash below names the run, and may not depend on how a Python orders its
        # dictionary.
        return "\n\n".join(text for _, text in sorted(pydoc_data.topics.topics.items()))
    try:
        # A wrong byte somewhere in a corpus of gigabytes is no reason to refuse it.
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(PRETRAINING_CHARACTERS)
    except OSError as error:
        raise TrainingError(
            f"The pretraining text {path} cannot be read ({error}). Correct PRETRAINING_TEXT."
        ) from error
