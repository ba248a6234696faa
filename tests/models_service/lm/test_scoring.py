"""Response log-probabilities against a plain forward pass of each row alone."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaForCausalLM

from models_service.lm import scoring
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
        logprobs = response_logprobs(model, PROMPTS, RESPONSES).logprobs
        logprobs.sum().backward()
        grad = model.get_input_embeddings().weight.grad
        assert grad is not None
        return logprobs.detach(), grad.clone()

    whole = gradient()
    monkeypatch.setattr(scoring, "VOCABULARY_ROWS", 2)
    for expected, chunked in zip(whole, gradient(), strict=True):
        assert (chunked - expected).norm() < 1e-5 * expected.norm()


def test_small_batches_give_the_same_as_one(
    model: LlamaForCausalLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    with torch.inference_mode():
        whole = response_logprobs(model, PROMPTS, RESPONSES)
        monkeypatch.setattr(scoring, "TOKEN_BUDGET", 6)
        torch.testing.assert_close(
            response_logprobs(model, PROMPTS, RESPONSES).logprobs, whole.logprobs
        )


def test_soft_capped_logits_are_scored_as_the_model_makes_them(model: LlamaForCausalLM) -> None:
    model.config.final_logit_softcapping = 2.0
    hidden = torch.randn(3, 64)
    expected = 2.0 * torch.tanh(model.lm_head(hidden) / 2.0)
    torch.testing.assert_close(scoring.unembed(model, hidden), expected)
