"""Log-probabilities a policy gives to responses, taken only where they are needed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from models_service.lm import passes
from models_service.lm.cpu.linears import direct_linears
from models_service.lm.heads import states, trunk_of
from models_service.lm.logprobs import token_logprobs, unembedding
from models_service.lm.padding import lean_batches, right_pad

TOKEN_BUDGET = 8_192


@dataclass(frozen=True)
class Scored:
    """Per response token, [B, T] with T the longest response; zero where `mask` is 0.

    `logprobs` (float32, nats, of the temperature-scaled distribution) carries gradients; `mask` is
    int64.
    """

    logprobs: Tensor
    mask: Tensor


def response_logprobs(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    responses: Sequence[Sequence[int]],
    temperature: float = 1.0,
    token_budget: int = TOKEN_BUDGET,
) -> Scored:
    """Score each response after its prompt; the stop token, if it is there, counts as a token.

    The transformer runs on the whole batch when gradients are on (the caller chooses the
    minibatch), else in batches of similar length of at most `token_budget` tokens. The unembedding
    runs on response positions only, a few hundred at a time (`logprobs`), so that no
    [batch, time, vocabulary] tensor exists; only of a model whose logits are more than that, its
    own forward pass makes one. Prompts must not be empty.
    """
    lengths = [len(p) + len(r) for p, r in zip(prompts, responses, strict=True)]
    learning = torch.is_grad_enabled()
    # With gradients every batch's activations stay until the backward pass: cutting here would save
    # nothing, and the loss's caller has cut already.
    batches = [list(range(len(lengths)))]
    if not learning:
        batches = lean_batches(lengths, token_budget, model.device)
    shape = right_pad(responses, 0).to(model.device).mask
    logprobs = torch.zeros(shape.shape, device=model.device)
    # `direct_linears` has no backward formula; while learning `accumulate` replaces the same
    # layers.
    with nullcontext() if learning else direct_linears(model):
        for batch in batches:
            place = _response_places([len(responses[i]) for i in batch], batch)
            chosen = _score_batch(
                model, [prompts[i] for i in batch], [responses[i] for i in batch], temperature
            )
            # Not in place: gradients flow through it to each batch's part.
            logprobs = logprobs.index_put(place, chosen)
    return Scored(logprobs, shape)


def _response_places(lengths: Sequence[int], rows: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Row and column in the [B, T] result of every response token of a batch."""
    row = torch.repeat_interleave(torch.tensor(rows), torch.tensor(lengths))
    column = torch.cat([torch.arange(length) for length in lengths])
    return row, column


def _score_batch(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    responses: Sequence[Sequence[int]],
    temperature: float,
) -> Tensor:
    """Log-probability of every response token, [N] in row order."""
    # Nothing is asked of what comes after the last token.
    rows = [[*p, *r[:-1]] for p, r in zip(prompts, responses, strict=True)]
    batch = right_pad(rows, 0).to(model.device)
    starts = [len(p) - 1 for p in prompts]
    places = _response_places([len(r) for r in responses], range(len(rows)))
    # A token's log-probability is read where the token before it stands: of the first one at the
    # prompt's last.
    columns = places[1] + torch.tensor(starts)[places[0]]
    # In the order in which `_response_places` names them, row by row.
    targets = torch.tensor([token for r in responses for token in r], device=model.device)
    # Right padding lies in the causal future of every real token, so neither a mask nor position
    # ids are needed; without them attention takes its fast causal path.
    if unembedding(model) is None:
        logits = passes.run(model, input_ids=batch.ids, use_cache=False).logits
        chosen = logits[places[0], columns].float() / temperature
        return chosen.log_softmax(dim=-1).gather(1, targets[:, None]).squeeze(1)
    hidden = states(trunk_of(model), batch.ids)
    return token_logprobs(model, hidden[places[0], columns], targets, temperature)
