"""Linear layers with their weights laid out anew, so that a model samples faster on a CPU.

`packed_linears` keeps every float32 number and lasts as long as a batch: for rollouts and all else.
`halve_linears` rounds the weights to half precision and stays: for completions that only labelers
see, never for rollouts, whose log-probabilities must be the policy's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

MOST_KL = 1e-3


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
        exact = model(input_ids=ids).logits.log_softmax(dim=-1)
        for linear in linears:
            vars(linear)["forward"] = _halved_forward(linear)
        rounded = model(input_ids=ids).logits.log_softmax(dim=-1)
        kl = float((exact.exp() * (exact - rounded)).sum(dim=-1).mean())
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
    linears = [m for m in model.modules() if isinstance(m, nn.Linear) and _packable(m)]
    for linear in linears:
        vars(linear)["forward"] = _packed_forward(linear)
    try:
        yield
    finally:
        for linear in linears:
            vars(linear).pop("forward", None)


def _packable(linear: nn.Linear) -> bool:
    plain = type(linear) is nn.Linear and linear.weight.dtype == torch.float32
    if "forward" in vars(linear):
        return False  # packed already
    return plain and linear.weight.device.type == "cpu" and torch.backends.mkldnn.is_available()


def _packed_forward(linear: nn.Linear) -> Callable[[Tensor], Tensor]:
    weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), None)
    bias = linear.bias

    def forward(x: Tensor) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")

    return forward


def _halved_forward(linear: nn.Linear) -> Callable[[Tensor], Tensor]:
    bias = None if linear.bias is None else linear.bias.detach()
    packed = torch.ops.quantized.linear_prepack_fp16(linear.weight.detach(), bias)

    def forward(x: Tensor) -> Tensor:
        return torch.ops.quantized.linear_dynamic_fp16(x, packed)

    return forward
