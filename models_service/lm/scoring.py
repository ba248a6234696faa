"""Log-probabilities a policy gives to responses, taken only where they are needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from models_service.lm.padding import Padded, batches_under_budget, right_pad

VOCABULARY_ROWS = 256
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
) -> Scored:
    """Score each response after its prompt; the stop token, if it is there, counts as a token.

    The transformer runs on the whole batch when gradients are on (the caller chooses the
    minibatch), else in batches of similar length. The unembedding runs on response positions
    only, a few hundred at a time and recomputed for the backward pass, so that no
    [batch, time, vocabulary] tensor exists. Prompts must not be empty.
    """
    lengths = [len(p) + len(r) for p, r in zip(prompts, responses, strict=True)]
    if torch.is_grad_enabled():
        batches = [list(range(len(lengths)))]
    else:
        batches = batches_under_budget(lengths, TOKEN_BUDGET)
    shape = right_pad(responses, 0).to(model.device).mask
    logprobs = torch.zeros(shape.shape, device=model.device)
    for batch in batches:
        place = _response_places([len(responses[i]) for i in batch], batch)
        chosen = _score_batch(
            model, [prompts[i] for i in batch], [responses[i] for i in batch], temperature
        )
        logprobs = logprobs.index_put(place, chosen)
    return Scored(logprobs, shape)


def unembed(model: PreTrainedModel, hidden: Tensor) -> Tensor:
    """Logits of hidden states, [N, d] to float32 [N, V], with the scalings some families apply."""
    head = model.get_output_embeddings()
    assert isinstance(head, nn.Module)
    logits = head(hidden).float()
    config = model.config.get_text_config()
    if scale := getattr(config, "logit_scale", None):  # Cohere
        logits = logits * scale
    if scale := getattr(config, "logits_scaling", None):  # Granite
        logits = logits / scale
    if cap := getattr(config, "final_logit_softcapping", None):  # Gemma 2
        logits = torch.tanh(logits / cap) * cap
    return logits


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
    rows = [[*p, *r] for p, r in zip(prompts, responses, strict=True)]
    batch = right_pad(rows, 0).to(model.device)
    hidden = _hidden(model, batch)
    starts = [len(p) - 1 for p in prompts]
    places = _response_places([len(r) for r in responses], range(len(rows)))
    columns = places[1] + torch.tensor(starts)[places[0]]
    targets = batch.ids[places[0], columns + 1]
    return _in_chunks(model, hidden[places[0], columns], targets, temperature)


def _hidden(model: PreTrainedModel, batch: Padded) -> Tensor:
    # Right padding lies in the causal future of every real token, so neither a mask nor position
    # ids are needed; without them attention takes its fast causal path.
    return model.base_model(input_ids=batch.ids, use_cache=False).last_hidden_state


def _in_chunks(
    model: PreTrainedModel, hidden: Tensor, targets: Tensor, temperature: float
) -> Tensor:
    def score(part: Tensor, target: Tensor) -> Tensor:
        logits = unembed(model, part) / temperature
        return -nn.functional.cross_entropy(logits, target, reduction="none")

    chunks = list(zip(hidden.split(VOCABULARY_ROWS), targets.split(VOCABULARY_ROWS), strict=True))
    if torch.is_grad_enabled() and len(chunks) > 1:
        return torch.cat([checkpoint(score, *chunk, use_reentrant=False) for chunk in chunks])
    return torch.cat([score(*chunk) for chunk in chunks])
