"""Log-probabilities of chosen tokens from hidden states, without a table of all logits.

Logits are made a few hundred rows at a time, once forward and, but for the last rows, once more
backward; every chunk adds its part to the unembedding's gradient in place.

What a family does to its unembedding's outputs (multipliers, soft caps) is measured against the
model's own forward pass, once a model (`unembedding`). One that does anything else has no such
shortcut, and its own forward pass is the only way.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from transformers import PreTrainedModel

from models_service.lm import passes
from models_service.lm.cpu import gradients
from models_service.lm.cpu.matmul import linear
from models_service.lm.heads import states, trunk_of

# Rows of logits at a time: what a CPU's caches like; a GPU wants more to do at once.
VOCABULARY_ROWS = 256
VOCABULARY_ROWS_ON_GPU = 2048

_MEASURED = "_tutelage_unembedding"
_PROBED = 16  # tokens
_TOLERANCE = 1e-4  # of the largest logit
_TOLERANCE_IN_HALF = 3e-2


@dataclass(frozen=True)
class Unembedding:
    """What becomes of the unembedding's outputs: scaled, then bent by tanh where there is a cap."""

    scale: float = 1.0
    cap: float = math.inf

    def logits(self, outputs: Tensor) -> Tensor:
        """Logits of outputs, in their place."""
        if self.scale != 1:
            outputs.mul_(self.scale)
        if self.cap != math.inf:
            outputs.div_(self.cap).tanh_().mul_(self.cap)
        return outputs


def unembedding(model: PreTrainedModel) -> Unembedding | None:
    """How this model's logits follow from its last states, or None where they do not.

    Measured once, on whole weights, and kept with the model and its copies.
    """
    kept: dict[str, Any] = vars(model)
    if _MEASURED not in kept:
        kept[_MEASURED] = _measured(model)
    found: Unembedding | None = kept[_MEASURED]
    return found


def token_logprobs(
    model: PreTrainedModel, hidden: Tensor, targets: Tensor, temperature: float
) -> Tensor:
    """Log-probability of `targets` [N] after `hidden` [N, d], float32 [N] in nats, with gradient;
    logits are divided by `temperature`. Of models that have an `unembedding`."""
    head, found = model.get_output_embeddings(), unembedding(model)
    assert found is not None and isinstance(head, nn.Linear)
    shape = _Shape(found.scale / temperature, found.cap / temperature)
    logprobs: Tensor = _TokenLogprobs.apply(hidden, head.weight, head.bias, targets, shape)
    return logprobs


@torch.no_grad()
def _measured(model: PreTrainedModel) -> Unembedding | None:
    """Compare the model's own logits with its unembedding's outputs on a few tokens."""
    head = model.get_output_embeddings()
    if not isinstance(head, nn.Linear):
        return None
    rows = model.get_input_embeddings().weight.shape[0]
    ids = (torch.arange(_PROBED, device=model.device) * 7919 % rows)[None]
    training = model.training
    model.eval()
    try:
        with torch.autocast(model.device.type, enabled=False):
            own = passes.run(model, input_ids=ids, use_cache=False).logits[0].float()
            hidden = states(trunk_of(model), ids)[0]
            outputs = head(hidden.to(head.weight.dtype)).float()
    except (TypeError, AttributeError, RuntimeError):  # no states, or none that fit the head
        return None
    finally:
        model.train(training)
    bound = _TOLERANCE if head.weight.dtype == torch.float32 else _TOLERANCE_IN_HALF
    cap = getattr(model.config.get_text_config(), "final_logit_softcapping", None) or math.inf
    flat = own if cap == math.inf else cap * torch.atanh((own / cap).clamp(-1 + 1e-6, 1 - 1e-6))
    fitted = float((flat * outputs).sum() / outputs.square().sum())
    for found in (Unembedding(1.0, cap), Unembedding(fitted, cap)):
        error = (found.logits(outputs.clone()) - own).abs().max()
        if error <= bound * own.abs().max():
            return found
    return None


def unembed(hidden: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The unembedding's outputs [R, V] of `hidden` [R, d], in float32.

    Under autocast on a GPU factors are rounded to half precision and products are not: rounded
    logits are most of the noise between two ways to compute one log-probability.
    """
    if not (hidden.is_cuda and torch.is_autocast_enabled("cuda")):
        return linear(hidden, weight, bias).float()
    half = torch.get_autocast_dtype("cuda")
    outputs = torch.mm(hidden.to(half), weight.to(half).t(), out_dtype=torch.float32)
    return outputs if bias is None else outputs.add_(bias)


@dataclass(frozen=True)
class _Shape:
    """An unembedding at a temperature: `slope` is what it and a family's own scaling make of the
    outputs together."""

    slope: float
    cap: float

    def bend(self, outputs: Tensor) -> Tensor:
        """Logits [R, V] of the unembedding's outputs, in their place."""
        return Unembedding(self.slope, self.cap).logits(outputs)

    def unbend(self, gradient: Tensor, logits: Tensor | None) -> Tensor:
        """The outputs' gradient from the logits', in its place; only a cap needs the logits."""
        if logits is not None and self.cap != math.inf:
            gradient.mul_(1 - (logits / self.cap).square_())
        return gradient.mul_(self.slope) if self.slope != 1 else gradient


class _TokenLogprobs(torch.autograd.Function):
    """∂ log p(t)/∂ logits = onehot(t) − p: the backward pass needs the probabilities alone. It
    begins with the last chunk's, which are kept, and makes the others anew. It takes the forward
    pass's autocast with it."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        shape: _Shape,
    ) -> Tensor:
        ctx.save_for_backward(hidden, weight, bias, targets)
        ctx.shape, ctx.autocast = shape, _autocast_now(hidden.device.type)
        parts, kept = [], None
        for rows in _chunks(hidden):
            del kept  # before the next is made
            kept = _logits(hidden[rows], weight, bias, shape).log_softmax(dim=-1)
            parts.append(kept.gather(1, targets[rows, None]).squeeze(1))
        ctx.kept = kept if shape.cap == math.inf else None
        return torch.cat(parts)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, bias, targets = ctx.saved_tensors
        of_hidden, of_weight, of_bias = ctx.needs_input_grad[:3]
        grads = [
            torch.zeros_like(hidden) if of_hidden else None,
            gradients.buffer(weight) if of_weight else None,
            torch.zeros_like(bias) if of_bias else None,
        ]
        kept, ctx.kept = ctx.kept, None
        with torch.autocast(hidden.device.type, **ctx.autocast):
            for rows in reversed(list(_chunks(hidden))):
                logits = None
                if kept is None:
                    logits = _logits(hidden[rows], weight, bias, ctx.shape)
                    kept = logits.log_softmax(dim=-1)
                change = _change(kept, targets[rows], gradient[rows])
                kept = None
                _add_chunk(grads, ctx.shape.unbend(change, logits), hidden[rows], weight, rows)
        if gradients.is_in_place(weight):
            grads[1] = None
        return *grads, None, None


def _autocast_now(device: str) -> dict[str, Any]:
    enabled = torch.is_autocast_enabled(device)
    return {"enabled": enabled, "dtype": torch.get_autocast_dtype(device) if enabled else None}


def _chunks(hidden: Tensor) -> Iterator[slice]:
    size = VOCABULARY_ROWS_ON_GPU if hidden.is_cuda else VOCABULARY_ROWS
    return (slice(i, i + size) for i in range(0, len(hidden), size))


def _logits(hidden: Tensor, weight: Tensor, bias: Tensor | None, shape: _Shape) -> Tensor:
    """Float32 logits [R, V]."""
    return shape.bend(unembed(hidden, weight, bias))


def _change(logprobs: Tensor, targets: Tensor, gradient: Tensor) -> Tensor:
    """The logits' gradient [R, V] from that of the targets' log-probabilities [R], in the place of
    all log-probabilities [R, V]."""
    change = logprobs.exp_().mul_(-gradient[:, None])
    return change.scatter_add_(1, targets[:, None], gradient[:, None])


def _add_chunk(
    grads: list[Tensor | None], change: Tensor, hidden: Tensor, weight: Tensor, rows: slice
) -> None:
    """Add what the outputs of some rows pass on to states, weight and bias."""
    of_hidden, of_weight, of_bias = grads
    if of_hidden is not None:
        of_hidden[rows] = linear(change, weight.t())
    if of_weight is not None and torch.is_autocast_enabled(hidden.device.type):
        of_weight += change.t() @ hidden  # multiplied in half precision, added up in full
    elif of_weight is not None:
        of_weight.addmm_(change.t(), hidden)
    if of_bias is not None:
        of_bias += change.sum(0)
