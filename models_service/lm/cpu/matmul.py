"""Products of rows with a layer's weights, by the faster of a CPU's two libraries."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from models_service.lm import cpu


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x·weightᵀ + bias, [..., out] of [..., in], without gradient.

    Float32 on a CPU goes to oneDNN, whose kernels suit every maker's processor; MKL, which torch
    would use, is up to a sixth slower on AMD's and no faster on Intel's. Same numbers to float
    rounding.
    """
    # Under a CPU's autocast F.linear rounds both factors, as whoever switched it on wants it.
    fits = suits(x) and suits(weight) and not torch.is_autocast_enabled("cpu")
    if fits and torch.backends.mkldnn.is_available():
        # At 512 rows of the packaged model's layers, on two cores of an AMD EPYC with AVX-512: MKL
        # 162 to 207 GFLOP/s, this 200 to 223 (docs/decisions/0009). It has no backward formula,
        # hence "without gradient"; `accumulate` gives it one.
        product: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
        return product
    return F.linear(x, weight, bias)


def suits(tensor: Tensor) -> bool:
    """Whether the tricks here are for it: float32 numbers on a CPU, and not turned off."""
    return tensor.dtype == torch.float32 and tensor.device.type == "cpu" and cpu.enabled()
