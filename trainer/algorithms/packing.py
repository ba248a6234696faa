"""All completions of a prompt in one row: the prompt is computed once, completions cannot see
each other.

A row reads prompt, completion 1, … completion K. Attention is causal, and a completion's tokens
see the prompt and their own completion only; each completion's positions start where the prompt
ends. So every token's hidden state is what it would be with its completion alone after the prompt.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from models_service.lm.heads import ScalarModel
from models_service.lm.padding import right_pad
from trainer.algorithms.data import Group

PADDING_SEGMENT = -1
PROMPT_SEGMENT = 0


def group_scores(model: ScalarModel, groups: Sequence[Group], pad_id: int) -> list[Tensor]:
    """Scores of every group's completions at their last tokens, float32 [K] each, with gradient."""
    return [opinions.mean(-1) for opinions in group_opinions(model, groups, pad_id)]


def group_opinions(model: ScalarModel, groups: Sequence[Group], pad_id: int) -> list[Tensor]:
    """What each head of the model says of them, float32 [K, heads] each, with gradient."""
    device = model.head.weight.device
    batch = right_pad([_row(group) for group in groups], pad_id).to(device)
    segments = _padded([_segments(group) for group in groups], PADDING_SEGMENT).to(device)
    positions = _padded([_positions(group) for group in groups], 0).to(device)
    hidden = model.hidden(batch.ids, block_mask(segments).unsqueeze(1), positions)
    return [model.opinions(hidden[row, _last_tokens(g)]) for row, g in enumerate(groups)]


def block_mask(segments: Tensor) -> Tensor:
    """Who may attend to whom, bool [B, L, L] (query, key), from segment numbers [B, L].

    Segment 0 is the prompt, 1…K the completions, −1 padding, which sees itself alone so that no
    softmax is over nothing.
    """
    length = segments.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=segments.device).tril()
    queries, keys = segments.unsqueeze(2), segments.unsqueeze(1)
    real = (queries != PADDING_SEGMENT) & (keys != PADDING_SEGMENT)
    visible = causal & real & ((keys == PROMPT_SEGMENT) | (keys == queries))
    return visible | torch.eye(length, dtype=torch.bool, device=segments.device)


def _row(group: Group) -> list[int]:
    return [*group.prompt, *(token for completion in group.completions for token in completion)]


def _segments(group: Group) -> list[int]:
    numbered = enumerate(group.completions, start=1)
    tail = [number for number, completion in numbered for _ in completion]
    return [PROMPT_SEGMENT] * len(group.prompt) + tail


def _positions(group: Group) -> list[int]:
    start = len(group.prompt)
    tail = [start + i for completion in group.completions for i in range(len(completion))]
    return [*range(start), *tail]


def _last_tokens(group: Group) -> list[int]:
    ends, end = [], len(group.prompt)
    for completion in group.completions:
        end += len(completion)
        # One that was cut before its first whole character is read where the prompt ends.
        ends.append((end if completion else len(group.prompt)) - 1)
    return ends


def _padded(rows: Sequence[Sequence[int]], fill: int) -> Tensor:
    return right_pad(rows, fill).ids
