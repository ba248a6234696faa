"""Responses sampled from a policy, with the scores and values a scalar model gives them.

A response is the tokens that were sampled; it is never decoded and tokenised again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from models_service.lm.chat import decode
from models_service.lm.cpu.linears import direct_linears
from models_service.lm.generation import Generated, Sampling, generate
from models_service.lm.heads import ScalarModel, at_last_token
from models_service.lm.padding import lean_batches, right_pad

Tokens = list[int]


@dataclass(frozen=True)
class Episodes:
    """B prompts, one response each; `logprobs[i]` (nats) are those it was sampled with.

    `end_id` is the token that reward models were taught to read a finished response at. A policy
    may also end with another one of its stop tokens.
    """

    prompts: list[Tokens]
    responses: list[Tokens]
    logprobs: list[list[float]]
    finished: list[bool]
    end_id: int | None = None

    def lengths(self) -> list[int]:
        """Tokens of prompt and response together."""
        return [len(p) + len(r) for p, r in zip(self.prompts, self.responses, strict=True)]

    def only(self, rows: Sequence[int]) -> Episodes:
        """Some rows, in their order."""
        prompts, responses = self.tokens(rows)
        logprobs, finished = [self.logprobs[i] for i in rows], [self.finished[i] for i in rows]
        return Episodes(prompts, responses, logprobs, finished, self.end_id)

    def tokens(self, rows: Sequence[int]) -> tuple[list[Tokens], list[Tokens]]:
        """Prompts and responses of some rows."""
        return [self.prompts[i] for i in rows], [self.responses[i] for i in rows]

    def judged(self, row: int) -> Tokens:
        """Prompt and response as reward models read them: a finished one ends with `end_id`. No
        state before that token changes, since attention is causal."""
        response = self.responses[row]
        if self.finished[row] and self.end_id is not None:
            # A reward model has read the end that answers are taught to end with, and no other: at
            # another one it would judge at a token it knows nothing of.
            response = [*response[:-1], self.end_id]
        return [*self.prompts[row], *response]


def sample_episodes(
    policy: PreTrainedModel,
    prompts: Sequence[Tokens],
    sampling: Sampling,
    seeds: Sequence[int] | None = None,
) -> Episodes:
    """One response a prompt, in order; `seeds` where these prompts are a part of more."""
    drawn = [first for [first] in generate(policy, prompts, 1, sampling, seeds=seeds)]
    return episodes_of(prompts, drawn, sampling)


def episodes_of(
    prompts: Sequence[Tokens], drawn: Sequence[Generated], sampling: Sampling
) -> Episodes:
    """Prompts and what was drawn for each of them."""
    return Episodes(
        prompts=list(prompts),
        responses=[response.tokens for response in drawn],
        logprobs=[response.logprobs for response in drawn],
        finished=[response.finish_reason == "stop" for response in drawn],
        # Without stop ids nothing ends and every response is cut, as a check of a model wants it.
        end_id=sampling.stop_ids[0] if sampling.stop_ids else None,
    )


def score_episodes(model: ScalarModel, episodes: Episodes, pad_id: int, budget: int) -> Tensor:
    """Score of every episode at its last token, float32 [B], no gradient."""

    def score(rows: list[int]) -> Tensor:
        batch = right_pad([episodes.judged(row) for row in rows], pad_id).to(_device(model))
        # No mask: padding stands behind everything that is read, and attention looks back only.
        hidden = model.right_padded_hidden(batch.ids)
        return model.project(at_last_token(hidden, batch.mask))

    with direct_linears(model):
        return _in_batches(score, episodes.lengths(), budget, _device(model))


def response_values(
    model: ScalarModel, prompts: Sequence[Tokens], responses: Sequence[Tokens], pad_id: int
) -> Tensor:
    """Value of the state before each response token, float32 [B, T]; padding is meaningless.

    The state before a token is read at the token that precedes it, so the first value of a row
    stands at the prompt's last token, and nothing is asked of the response's.
    """
    # The last token's state would be the value after the episode, which is 0 by definition.
    rows = [[*p, *r[:-1]] for p, r in zip(prompts, responses, strict=True)]
    batch = right_pad(rows, pad_id).to(_device(model))
    values = model.project(model.right_padded_hidden(batch.ids))
    starts = torch.tensor([len(p) - 1 for p in prompts], device=values.device)
    offsets = torch.arange(max(map(len, responses)), device=values.device)
    # A short row's columns run past the batch's width; whatever is read there stands in padding,
    # which every loss masks.
    columns = (starts[:, None] + offsets[None, :]).clamp(max=values.shape[1] - 1)
    return values.gather(1, columns)


# no_grad and not inference_mode: the states are kept and the value head learns from them, and
# autograd saves no tensor that was made in inference mode.
@torch.no_grad()
def read_episodes(
    model: ScalarModel, episodes: Episodes, pad_id: int, budget: int
) -> tuple[list[float], list[Tensor]]:
    """Every episode's score, and the states [T, d] before its response tokens, from one pass."""
    read: dict[int, tuple[float, Tensor]] = {}
    with direct_linears(model):
        for rows in lean_batches(episodes.lengths(), budget, _device(model)):
            batch = right_pad([episodes.judged(row) for row in rows], pad_id).to(_device(model))
            hidden = model.right_padded_hidden(batch.ids)
            scores = model.project(at_last_token(hidden, batch.mask)).tolist()
            for row, score, states in zip(rows, scores, hidden, strict=True):
                start, length = len(episodes.prompts[row]) - 1, len(episodes.responses[row])
                # A copy of the few: a view would keep the whole batch's states in memory until the
                # iteration ends.
                read[row] = score, states[start : start + length].clone()
    ordered = [read[i] for i in range(len(read))]
    return [score for score, _ in ordered], [states for _, states in ordered]


def sample_rows(
    tokenizer: PreTrainedTokenizerBase, episodes: Episodes, scores: Tensor, count: int
) -> list[dict[str, Any]]:
    """The first `count` episodes as text, for a person to read."""
    rows = zip(episodes.prompts, episodes.responses, scores.tolist(), strict=True)
    return [
        {"prompt": decode(tokenizer, p), "response": decode(tokenizer, r), "score": s}
        # The first of them, not the best or the worst: what a person reads should look like the
        # batch.
        for p, r, s in list(rows)[:count]
    ]


def _in_batches(
    compute: Callable[[list[int]], Tensor],
    lengths: Sequence[int],
    budget: int,
    device: torch.device,
) -> Tensor:
    """`compute` over batches of like length, the results back in the rows' order."""
    batches = lean_batches(lengths, budget, device)
    with torch.no_grad():
        together = torch.cat([compute(rows) for rows in batches])
    order = torch.tensor([row for rows in batches for row in rows], device=together.device)
    return torch.empty_like(together).index_copy(0, order, together)


def _device(model: ScalarModel) -> torch.device:
    return model.head.weight.device
