"""An answer as a reward model reads it: in training, and wherever else it is asked for a score.

A score is read at the last token. What that token is decides what was learned, so it must be the
same everywhere: the stop token of an answer that ended, the last whole word of one that was cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedTokenizerBase

from models_service.lm.chat import (
    Message,
    PromptRefused,
    encode_prompt,
    encode_response,
    pad_token_id,
)
from models_service.lm.heads import ScalarModel, at_last_token
from models_service.lm.padding import batches_under_budget, right_pad

TOKEN_BUDGET = 8_192
_HALF_A_CHARACTER = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True)
class Said:
    """An answer to a conversation; `finished`: it ended by itself, not at a limit."""

    messages: Sequence[Message]
    text: str
    finished: bool


def encode_answer(tokenizer: PreTrainedTokenizerBase, text: str, finished: bool) -> list[int]:
    """Token ids of an answer. One that was cut has no stop token, nor the half of a character that
    the cut may have left: its text, and so its tokens, stand for bytes that nobody sampled. Raises
    PromptRefused."""
    # rstrip: one cut in a character of four bytes may leave more than one mark. An answer that
    # ended may hold the mark because somebody wrote it, and keeps it.
    said = text if finished else text.rstrip(_HALF_A_CHARACTER)
    return encode_response(tokenizer, said, finished)


def opinions(
    model: ScalarModel, tokenizer: PreTrainedTokenizerBase, answers: Sequence[Said]
) -> list[list[float] | None]:
    """What each head of a reward model says of each answer; None where its chat template refuses
    the conversation."""
    rows = [_row(tokenizer, answer) for answer in answers]
    # One refused conversation must not cost the others their scores: it keeps None in its place.
    readable = [i for i, row in enumerate(rows) if row]
    said: list[list[float] | None] = [None] * len(rows)
    device, pad = model.head.weight.device, pad_token_id(tokenizer)
    with torch.inference_mode():
        for batch in batches_under_budget([len(rows[i]) for i in readable], TOKEN_BUDGET):
            places = [readable[i] for i in batch]
            # On the right, as reward models are trained: what stands after a row's end no token of
            # it sees.
            padded = right_pad([rows[i] for i in places], pad).to(device)
            states = at_last_token(model.hidden(padded.ids, padded.mask), padded.mask)
            for place, heads in zip(places, model.opinions(states).tolist(), strict=True):
                said[place] = heads
    return said


def _row(tokenizer: PreTrainedTokenizerBase, answer: Said) -> list[int]:
    """Prompt and answer in one; nothing where they cannot be put to the model."""
    try:
        prompt = encode_prompt(tokenizer, answer.messages)
        return prompt + encode_answer(tokenizer, answer.text, answer.finished)
    except PromptRefused:
        return []
