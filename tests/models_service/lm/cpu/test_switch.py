"""CPU_KERNELS=0 leaves everything to torch, and the numbers where they were."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from torch import nn

from models_service.lm import cpu
from models_service.lm.cpu import accumulate, gradients, malloc
from models_service.lm.cpu.linears import direct_linears, halve_linears, packed_linears
from models_service.lm.cpu.matmul import linear
from models_service.lm.generation import Sampling, generate
from models_service.lm.scoring import response_logprobs
from models_service.lm.tiny import tiny_model

SAMPLING = Sampling(max_new_tokens=6, temperature=0.0, seed=1, stop_ids=[0], pad_id=0)
PROMPTS, ANSWERS = [[3, 4, 5], [6]], [[7, 8], [9, 10, 11]]


@pytest.fixture
def off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CPU_KERNELS", "0")


@pytest.mark.parametrize("value", ["0", "false", "No", "OFF"])
def test_every_no_that_the_settings_understand_turns_them_off(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    assert cpu.enabled()
    monkeypatch.setenv("CPU_KERNELS", value)
    assert not cpu.enabled()


@pytest.mark.usefixtures("off")
@pytest.mark.parametrize("trick", [direct_linears, packed_linears, accumulate.in_place])
def test_layers_stay_torchs(trick: Callable) -> None:
    layer = nn.Linear(4, 4)
    with trick(layer):
        assert "forward" not in vars(layer)
        assert not gradients.is_in_place(layer.weight)


@pytest.mark.usefixtures("off")
def test_products_are_torchs_to_the_bit() -> None:
    x, weight, bias = torch.randn(3, 64), torch.randn(5, 64), torch.randn(5)
    assert torch.equal(linear(x, weight, bias), nn.functional.linear(x, weight, bias))


@pytest.mark.usefixtures("off")
def test_weights_stay_whole(model: nn.Module) -> None:
    assert halve_linears(model, [1, 2, 3]) == 0
    assert not any("forward" in vars(module) for module in model.modules())


@pytest.mark.usefixtures("off")
def test_the_allocator_is_told_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    monkeypatch.setattr(malloc, "_set_thresholds", lambda trim, mmap: told.append(trim))
    monkeypatch.setattr(ctypes, "CDLL", lambda name: told.append(0))
    with malloc.kept():
        pass
    assert told == []


def learned(
    model: nn.Module, value: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities of the answers and their sum's gradient, with CPU_KERNELS as given."""
    monkeypatch.setenv("CPU_KERNELS", value)
    learner = deepcopy(model)
    with accumulate.in_place(learner):
        said = response_logprobs(learner, PROMPTS, ANSWERS).logprobs
        said.sum().backward()
    return said.detach(), learner.get_input_embeddings().weight.grad


def exact_gradient(model: nn.Module) -> torch.Tensor:
    """The same gradient by torch alone, each answer by itself, in float64."""
    exact = deepcopy(model).double()
    for prompt, answer in zip(PROMPTS, ANSWERS, strict=True):
        chances = exact(input_ids=torch.tensor([prompt + answer])).logits[0].log_softmax(-1)
        places = range(len(prompt) - 1, len(prompt) + len(answer) - 1)
        chances[places, answer].sum().backward()
    return exact.get_input_embeddings().weight.grad


def test_answers_and_logprobs_are_the_same(
    model: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = []
    for value in ("1", "0"):
        monkeypatch.setenv("CPU_KERNELS", value)
        answers.append([one.tokens for (one,) in generate(model, PROMPTS, 1, SAMPLING)])
    assert answers[0] == answers[1]
    on, off = (learned(model, value, monkeypatch)[0] for value in ("1", "0"))
    torch.testing.assert_close(on, off)


def test_gradients_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    # As it is made, not sharpened: a model whose distributions are far from uniform multiplies what
    # float32 rounds, which is another number on every processor, torch's own included.
    model = tiny_model(64, seed=1)
    on, off = (learned(model, value, monkeypatch)[1] for value in ("1", "0"))
    torch.testing.assert_close(on, off)


@pytest.mark.parametrize("value", ["1", "0"])
def test_gradients_of_a_sharp_model_are_exact_to_rounding(
    model: nn.Module, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    exact = exact_gradient(model)
    gradient = learned(model, value, monkeypatch)[1].double()
    assert (gradient - exact).abs().max() <= 2e-5 * exact.abs().max()
