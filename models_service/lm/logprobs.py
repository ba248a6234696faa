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
    # In the model's own dictionary: copies (the reference, an adapter's base) take it along, and
    # under FSDP, where a pass alone is not possible, nothing need be measured again.
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
    # The temperature divides what the cap has bent. cap·tanh(s·o/cap)/T is
    # (cap/T)·tanh((s/T)·o/(cap/T)): the same form with both divided, so that one formula serves
    # both.
    shape = _Shape(found.scale / temperature, found.cap / temperature)
    logprobs: Tensor = _TokenLogprobs.apply(hidden, head.weight, head.bias, targets, shape)
    return logprobs


@torch.no_grad()
def _measured(model: PreTrainedModel) -> Unembedding | None:
    """Compare the model's own logits with its unembedding's outputs on a few tokens."""
    head = model.get_output_embeddings()
    if not isinstance(head, nn.Linear):
        return None
    # Tokens far apart in the vocabulary: a stride that is prime, so that they do not repeat. Ids
    # are bounded by the embedding, which may be shorter than the tokenizer.
    rows = model.get_input_embeddings().weight.shape[0]
    ids = (torch.arange(_PROBED, device=model.device) * 7919 % rows)[None]
    training = model.training
    # Dropout would be noise between the two sides.
    model.eval()
    try:
        # Rounded to half precision no scale could be told from its neighbours.
        with torch.autocast(model.device.type, enabled=False):
            own = passes.run(model, input_ids=ids, use_cache=False).logits[0].float()
            hidden = states(trunk_of(model), ids)[0]
            outputs = head(hidden.to(head.weight.dtype)).float()
    except (TypeError, AttributeError, RuntimeError):  # no states, or none that fit the head
        return None
    finally:
        model.train(training)
    bound = _TOLERANCE if head.weight.dtype == torch.float32 else _TOLERANCE_IN_HALF
    # Gemma 2's name for it, which others took over. It is believed only if the logits below agree.
    cap = getattr(model.config.get_text_config(), "final_logit_softcapping", None) or math.inf
    # The cap undone, kept off ±1, where atanh has no value.
    flat = own if cap == math.inf else cap * torch.atanh((own / cap).clamp(-1 + 1e-6, 1 - 1e-6))
    # Least squares through the origin: one number, Cohere's logit_scale, Granite's divisor and
    # their like by whatever name.
    fitted = float((flat * outputs).sum() / outputs.square().sum())
    # 1 first, exactly: of most models that is the truth, and a fitted .9999998 would cost a pass
    # over the logits in every chunk.
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
    # The sums are float32 inside of the GPU anyway; out_dtype only keeps them. Rounded logits made
    # log-probabilities of two passes differ by 0.029 nats (standard deviation), these by 0.016
    # (docs/distributed.md).
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
        # No logits, no probabilities: of a batch's N rows they would be N × vocabulary numbers, of
        # which the loss uses one a row.
        ctx.save_for_backward(hidden, weight, bias, targets)
        ctx.shape, ctx.autocast = shape, _autocast_now(hidden.device.type)
        parts, kept = [], None
        for rows in _chunks(hidden):
            del kept  # before the next is made
            # Of the chunk the log-probabilities stay, not the logits: the backward pass needs exp
            # of them.
            kept = _logits(hidden[rows], weight, bias, shape).log_softmax(dim=-1)
            parts.append(kept.gather(1, targets[rows, None]).squeeze(1))
        # The last chunk's, 50 MB of the packaged model's, spare the backward pass one product;
        # where there is one chunk, all of them. A cap's slope needs the logits, which log_softmax
        # has left behind.
        ctx.kept = kept if shape.cap == math.inf else None
        return torch.cat(parts)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, bias, targets = ctx.saved_tensors
        # With frozen embeddings (adapters) the weight's gradient is not made: it is the largest
        # product here.
        of_hidden, of_weight, of_bias = ctx.needs_input_grad[:3]
        grads = [
            torch.zeros_like(hidden) if of_hidden else None,
            gradients.buffer(weight) if of_weight else None,
            torch.zeros_like(bias) if of_bias else None,
        ]
        # Taken out of ctx, for `_change` writes over it: a second backward pass must make it anew.
        kept, ctx.kept = ctx.kept, None
        with torch.autocast(hidden.device.type, **ctx.autocast):
            # Backwards, so that the chunk which the forward pass kept is used up, and its memory
            # free, before another is made.
            for rows in reversed(list(_chunks(hidden))):
                logits = None
                if kept is None:
                    logits = _logits(hidden[rows], weight, bias, ctx.shape)
                    kept = logits.log_softmax(dim=-1)
                # In float32 throughout: p − onehot is a difference of numbers close to each other
                # at the tokens that a policy is sure of.
                change = _change(kept, targets[rows], gradient[rows])
                kept = None
                _add_chunk(grads, ctx.shape.unbend(change, logits), hidden[rows], weight, rows)
        if gradients.is_in_place(weight):
            # It has been added to `.grad`; autograd would add what it gets once more.
            grads[1] = None
        return *grads, None, None


def _autocast_now(device: str) -> dict[str, Any]:
    enabled = torch.is_autocast_enabled(device)
    # Autograd calls backward outside of the caller's autocast: logits made anew there in another
    # precision would not be those of the loss.
    return {"enabled": enabled, "dtype": torch.get_autocast_dtype(device) if enabled else None}


def _chunks(hidden: Tensor) -> Iterator[slice]:
    # On an H100 a forward and backward pass took 262 ms at 256 rows, 239 at 2,048 and 237 at 4,096
    # (docs/distributed.md).
    size = VOCABULARY_ROWS_ON_GPU if hidden.is_cuda else VOCABULARY_ROWS
    return (slice(i, i + size) for i in range(0, len(hidden), size))


def _logits(hidden: Tensor, weight: Tensor, bias: Tensor | None, shape: _Shape) -> Tensor:
    """Float32 logits [R, V]."""
    return shape.bend(unembed(hidden, weight, bias))


def _change(logprobs: Tensor, targets: Tensor, gradient: Tensor) -> Tensor:
    """The logits' gradient [R, V] from that of the targets' log-probabilities [R], in the place of
    all log-probabilities [R, V]."""
    # −g·p everywhere, then +g at the target: g·(onehot − p) in two passes over the chunk and no
    # copy.
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
        # Product and sum in one, as `gradients.add_product` has it.
        of_weight.addmm_(change.t(), hidden)
    if of_bias is not None:
        of_bias += change.sum(0)
