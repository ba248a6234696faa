"""Products of linear layers against torch's own, whichever library makes them."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import linear as torchs

from models_service.lm.cpu.matmul import linear


@pytest.mark.parametrize("shape", [(7,), (3, 7), (0, 7), (2, 5, 7)])
@pytest.mark.parametrize("bias", [None, torch.arange(4.0)])
def test_numbers_are_torchs(shape: tuple[int, ...], bias: torch.Tensor | None) -> None:
    x, weight = torch.randn(shape), torch.randn(4, 7)
    torch.testing.assert_close(linear(x, weight, bias), torchs(x, weight, bias))
    across = torch.randn(7, 4).t()  # as the backward pass has it
    torch.testing.assert_close(linear(x, across, bias), torchs(x, across, bias))


def test_other_precisions_are_torchs_to_the_bit() -> None:
    x, weight, bias = torch.randn(3, 7), torch.randn(4, 7), torch.randn(4)
    for kind in (torch.float64, torch.bfloat16):
        parts = [tensor.to(kind) for tensor in (x, weight, bias)]
        assert torch.equal(linear(*parts), torchs(*parts))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(linear(x, weight, bias), torchs(x, weight, bias))
