"""Packed linear layers: the same numbers while they last, nothing left of them after."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from models_service.lm.cpu.linears import (
    PrecisionError,
    direct_linears,
    halve_linears,
    packed_linears,
)
from models_service.lm.tiny import tiny_model


@pytest.mark.parametrize("shape", [(48,), (3, 48), (2, 5, 48)])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("otherwise", [packed_linears, direct_linears])
def test_the_plain_layers_numbers(otherwise, shape: tuple[int, ...], bias: bool) -> None:
    layer, x = nn.Linear(48, 80, bias=bias), torch.randn(shape)
    plain = layer(x)
    with torch.inference_mode(), otherwise(layer):
        torch.testing.assert_close(layer(x), plain, atol=1e-5, rtol=1e-5)
        assert "forward" in vars(layer)
    assert "forward" not in vars(layer)


def test_new_weights_are_packed_anew() -> None:
    layer, x = nn.Linear(4, 4, bias=False), torch.randn(2, 4)
    with torch.inference_mode(), packed_linears(layer):
        layer(x)
    with torch.no_grad():
        layer.weight.mul_(2)
    with torch.inference_mode(), packed_linears(layer):
        torch.testing.assert_close(layer(x), x @ layer.weight.T)


def test_an_error_inside_leaves_the_plain_layers() -> None:
    layer = nn.Linear(4, 4)
    with pytest.raises(ZeroDivisionError), packed_linears(layer):
        _ = 1 / 0
    assert "forward" not in vars(layer)


def test_half_precision_is_left_alone() -> None:
    layer = nn.Linear(4, 4).bfloat16()
    with packed_linears(layer):
        assert "forward" not in vars(layer)


def test_a_second_user_outlives_the_first() -> None:
    layer, x = nn.Linear(4, 4), torch.randn(2, 4)
    first, second = packed_linears(layer), packed_linears(layer)
    with torch.inference_mode():
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        torch.testing.assert_close(layer(x), x @ layer.weight.T + layer.bias)
        second.__exit__(None, None, None)
    assert "forward" not in vars(layer)


def test_halved_layers_stay_near_the_exact_ones_and_say_how_near() -> None:
    torch.manual_seed(0)
    model = tiny_model(300)
    ids = torch.randint(0, 300, (1, 40))
    with torch.inference_mode():
        exact = model(input_ids=ids).logits.log_softmax(-1).double()
    kl = halve_linears(model, ids[0].tolist())
    with torch.inference_mode():
        halved = model(input_ids=ids).logits.log_softmax(-1).double()
    assert kl == pytest.approx(float((exact.exp() * (exact - halved)).sum(-1).mean()), abs=1e-6)
    assert 0 < float((exact - halved).abs().max()) < 1e-2


def test_halved_layers_stay_halved_while_sampling() -> None:
    model = tiny_model(300)
    halve_linears(model, [1, 2, 3])
    halved = vars(model.lm_head)["forward"]
    with packed_linears(model):
        assert vars(model.lm_head)["forward"] is halved
    assert vars(model.lm_head)["forward"] is halved


def test_weights_that_half_precision_cannot_hold_are_refused() -> None:
    model = tiny_model(300)
    with torch.no_grad():  # beyond float16's largest number
        model.model.layers[0].mlp.up_proj.weight.mul_(1e7)
    with pytest.raises(PrecisionError, match="diverge"):
        halve_linears(model, list(range(40)))
    assert "forward" not in vars(model.lm_head)
