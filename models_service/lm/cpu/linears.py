"""Linear layers computed otherwise than torch does by default, so that a model is faster on a CPU.

`direct_linears` leaves the weights where they are and takes the faster library: for scoring, by
hundreds of tokens. `packed_linears` lays them out anew, for as long as it samples, and keeps every
float32 number: for rollouts and all else.
`halve_linears` rounds the weights to half precision and stays: for completions that only labelers
see, never for rollouts, whose log-probabilities must be the policy's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from models_service.lm.cpu.matmul import linear, suits

# Nats a token (SAMPLING_WEIGHTS in docs/operations.md). The tokens that labelers compare are then
# as good as the model's own draws; what diverges by more is refused, not shown to them.
MOST_KL = 1e-3

Forward = Callable[[Tensor], Tensor]


class PrecisionError(ValueError):
    """Reduced weights say something else than the model does."""


def halve_linears(model: PreTrainedModel, probe: Sequence[int]) -> float:
    """Run the model's float32 linear layers on packed float16 copies of their weights from now on.

    Returns the mean KL divergence of the exact model from this one in nats a token, over the
    tokens of `probe`. Above MOST_KL the layers stay as they are and PrecisionError is raised.
    """
    linears = [m for m in model.modules() if isinstance(m, nn.Linear) and _packable(m)]
    ids = torch.tensor([list(probe)])
    with torch.inference_mode():
        # The exact side first: once the layers are replaced their float32 weights are not read any
        # more.
        exact = model(input_ids=ids).logits.log_softmax(dim=-1)
        for linear in linears:
            vars(linear)["forward"] = _halved_forward(linear)
        rounded = model(input_ids=ids).logits.log_softmax(dim=-1)
        kl = float((exact.exp() * (exact - rounded)).sum(dim=-1).mean())
    # Not `kl > MOST_KL`: of a NaN that would be False, and the weights be kept.
    if not kl <= MOST_KL:
        for linear in linears:
            del vars(linear)["forward"]
        raise PrecisionError(f"float16 weights diverge by {kl:.2g} nats a token")
    return kl


@contextmanager
def packed_linears(model: nn.Module) -> Iterator[None]:
    """Inside, the model's float32 linear layers on a CPU run on packed copies of their weights.

    Same numbers to float rounding; at 4 to 64 rows, where decoding lives, about twice the rate of
    a plain layer. Costs a second copy of the weights and a pass over them; weights changed inside
    are not seen. Anything but float32 on a CPU is left alone. Where two threads sample from one
    model, the first to leave takes the packed copies away and the other goes on without.
    """
    with _replaced(model, _packed_forward):
        yield


@contextmanager
def direct_linears(model: nn.Module) -> Iterator[None]:
    """Inside, and without gradient, the model's float32 linear layers on a CPU are `linear`s."""
    # Not packed: at the hundreds of rows of a scoring pass packed weights are as fast as plain ones
    # (docs/decisions/0009), and laying them out would be work for a single pass.
    with _replaced(model, lambda layer: lambda x: linear(x, layer.weight, layer.bias)):
        yield


@contextmanager
def _replaced(model: nn.Module, forward: Callable[[nn.Linear], Forward]) -> Iterator[None]:
    linears = [m for m in model.modules() if isinstance(m, nn.Linear) and _packable(m)]
    for layer in linears:
        vars(layer)["forward"] = forward(layer)
    try:
        yield
    finally:
        for layer in linears:
            # pop, not del: another thread that samples from the same model may have taken it away
            # already.
            vars(layer).pop("forward", None)


def _packable(layer: nn.Linear) -> bool:
    if "forward" in vars(layer):
        return False  # replaced already
    # By exact type, as in `accumulate`: a subclass's forward may do more than multiply.
    plain = type(layer) is nn.Linear and suits(layer.weight)
    return plain and torch.backends.mkldnn.is_available()


def _packed_forward(layer: nn.Linear) -> Forward:
    # No batch size is named (None): rows drop out while sampling, and a layout made for one number
    # of them need not suit the others.
    weight = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach(), None)
    bias = layer.bias

    def forward(x: Tensor) -> Tensor:
        # "none": no activation is joined to it. torch has this operator for its own compiler and
        # gives no promise about it: a new version of torch has to pass the tests of
        # `packed_linears` first.
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")

    return forward


def _halved_forward(layer: nn.Linear) -> Forward:
    bias = None if layer.bias is None else layer.bias.detach()
    # Weights in half precision are half the memory to read for a token, and reading is what one
    # token costs. Only they are rounded: states and sums stay float32 ("dynamic" is the library's
    # word for that).
    packed = torch.ops.quantized.linear_prepack_fp16(layer.weight.detach(), bias)

    def forward(x: Tensor) -> Tensor:
        return torch.ops.quantized.linear_dynamic_fp16(x, packed)

    return forward
