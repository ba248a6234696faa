"""Response log-probabilities against a plain forward pass of each row alone."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaForCausalLM

from models_service.lm import logprobs
from models_service.lm.scoring import response_logprobs

PROMPTS = [[9, 10, 11, 12], [20], [9, 10, 11, 12, 13, 14]]
RESPONSES = [[30, 31, 1], [40, 41, 42, 43, 1], [50]]


def plain(model: LlamaForCausalLM, index: int, temperature: float) -> torch.Tensor:
    """All log-probabilities at the response positions of one row, [T, V]."""
    row = torch.tensor([[*PROMPTS[index], *RESPONSES[index]]])
    logits = model(input_ids=row).logits[0, len(PROMPTS[index]) - 1 : -1]
    return (logits / temperature).log_softmax(dim=-1)


@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("gradients", [True, False])
def test_equals_a_plain_forward_pass(
    model: LlamaForCausalLM, temperature: float, gradients: bool
) -> None:
    with torch.set_grad_enabled(gradients):
        scored = response_logprobs(model, PROMPTS, RESPONSES, temperature)
        assert scored.mask.tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0]]
        for index, response in enumerate(RESPONSES):
            table, length = plain(model, index, temperature), len(response)
            chosen = table[torch.arange(length), torch.tensor(response)]
            torch.testing.assert_close(scored.logprobs[index, :length], chosen, atol=1e-5, rtol=0)
            assert not scored.logprobs[index, length:].any()


def test_chunks_change_neither_values_nor_gradients(
    model: LlamaForCausalLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gradient() -> tuple[torch.Tensor, torch.Tensor]:
        model.zero_grad()
        scored = response_logprobs(model, PROMPTS, RESPONSES).logprobs
        scored.sum().backward()
        grad = model.get_input_embeddings().weight.grad
        assert grad is not None
        return scored.detach(), grad.clone()

    whole = gradient()
    monkeypatch.setattr(logprobs, "VOCABULARY_ROWS", 2)
    for expected, chunked in zip(whole, gradient(), strict=True):
        assert (chunked - expected).norm() < 1e-5 * expected.norm()


def test_small_batches_give_the_same_as_one(model: LlamaForCausalLM) -> None:
    with torch.inference_mode():
        whole = response_logprobs(model, PROMPTS, RESPONSES)
        small = response_logprobs(model, PROMPTS, RESPONSES, token_budget=6)
        torch.testing.assert_close(small.logprobs, whole.logprobs)


class Scaled(LlamaForCausalLM):
    """A family that multiplies its logits and, where its configuration says so, caps them."""

    def forward(self, *args: object, **kwargs: object) -> object:
        output = super().forward(*args, **kwargs)  # type: ignore[arg-type]
        cap = self.config.final_logit_softcapping
        output.logits = output.logits * 1.5 / 4.0
        if cap is not None:
            output.logits = cap * torch.tanh(output.logits / cap)
        return output


class Strange(LlamaForCausalLM):
    """A family whose logits are no function of its unembedding that the product knows."""

    def forward(self, *args: object, **kwargs: object) -> object:
        output = super().forward(*args, **kwargs)  # type: ignore[arg-type]
        output.logits = output.logits - 0.1 * output.logits.square()
        return output


def test_logits_of_an_unknown_kind_are_taken_from_the_models_own_pass(
    model: LlamaForCausalLM,
) -> None:
    model.__class__ = Strange
    prompts, responses = [[5, 6, 7], [8, 9]], [[11, 12], [13, 14, 15]]
    assert logprobs.unembedding(model) is None
    scored = response_logprobs(model, prompts, responses, temperature=0.7)
    for row, (prompt, response) in enumerate(zip(prompts, responses, strict=True)):
        own = model(torch.tensor([[*prompt, *response]])).logits[0].float() / 0.7
        places = torch.arange(len(response)) + len(prompt) - 1
        expected = own.log_softmax(-1)[places, torch.tensor(response)]
        torch.testing.assert_close(scored.logprobs[row, : len(response)], expected)
    scored.logprobs.sum().backward()
    assert model.lm_head.weight.grad is not None


@pytest.mark.parametrize("cap", [None, 2.0])
@pytest.mark.parametrize("bias", [False, True])
def test_values_and_gradients_are_those_of_the_formula(
    model: LlamaForCausalLM, monkeypatch: pytest.MonkeyPatch, cap: float | None, bias: bool
) -> None:
    """Of scaled and capped logits with a temperature, in chunks, against autograd in float64."""
    monkeypatch.setattr(logprobs, "VOCABULARY_ROWS", 3)
    model.__class__ = Scaled
    model.config.final_logit_softcapping = cap
    hidden, targets = torch.randn(7, 64), torch.tensor([3, 1, 4, 1, 5, 9, 2])
    head = model.lm_head = torch.nn.Linear(64, model.config.vocab_size, bias=bias)
    inputs = [hidden, *head.parameters()]
    doubles = [x.detach().double().requires_grad_() for x in inputs]
    logits = torch.nn.functional.linear(*doubles) * 1.5 / 4.0
    logits = logits if cap is None else cap * torch.tanh(logits / cap)
    expected = (logits / 0.7).log_softmax(-1)[torch.arange(7), targets]
    pull = torch.randn(7)

    scored = logprobs.token_logprobs(model, hidden.requires_grad_(), targets, 0.7)

    torch.testing.assert_close(scored, expected.float())
    ours = torch.autograd.grad(scored, inputs, pull)
    theirs = torch.autograd.grad(expected, doubles, pull.double())
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other.float(), atol=1e-6, rtol=1e-5)


def test_what_is_frozen_gets_no_gradient(model: LlamaForCausalLM) -> None:
    hidden = torch.randn(4, 64, requires_grad=True)
    model.requires_grad_(False)
    logprobs.token_logprobs(model, hidden, torch.tensor([1, 2, 3, 4]), 1.0).sum().backward()
    assert hidden.grad is not None and hidden.grad.any()
    assert model.lm_head.weight.grad is None


def test_a_second_backward_pass_gives_the_same_gradient(model: LlamaForCausalLM) -> None:
    scored = logprobs.token_logprobs(model, torch.randn(4, 64), torch.tensor([1, 2, 3, 4]), 1.0)
    first, second = (
        torch.autograd.grad(scored.sum(), model.lm_head.weight, retain_graph=True)[0]
        for _ in range(2)
    )
    torch.testing.assert_close(first, second)


def test_under_autocast_the_gradient_is_added_up_in_full_precision(
    model: LlamaForCausalLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Added up in bfloat16 the error would be 14 to 20 thousandths; products alone make 1 to 2.
    torch.manual_seed(0)
    monkeypatch.setattr(logprobs, "VOCABULARY_ROWS", 1)
    hidden, targets = torch.randn(200, 64), torch.full((200,), 7)

    def gradient(enabled: bool) -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            scored = logprobs.token_logprobs(model, hidden, targets, 1.0)
        assert scored.dtype == torch.float32
        return torch.autograd.grad(scored.sum(), model.lm_head.weight)[0]

    half, full = gradient(True), gradient(False)
    assert half.dtype == torch.float32
    assert 5e-4 * full.norm() < (half - full).norm() < 3e-3 * full.norm()
