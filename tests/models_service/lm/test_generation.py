"""Sampling: the distribution, the cache, the seeds, the batches."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaForCausalLM

from models_service.lm import padding
from models_service.lm.generation import Generated, PromptTooLong, Sampling, draw, generate
from models_service.lm.scoring import response_logprobs

PROMPTS = [[9, 10, 11, 12], [20, 21], [9, 10, 11, 12, 13, 14], [30]]
STOP = 1


def sampling(**changes: object) -> Sampling:
    settings = {
        "max_new_tokens": 12,
        "temperature": 1.0,
        "seed": 3,
        "stop_ids": (STOP,),
        "pad_id": 0,
    }
    return Sampling(**{**settings, **changes})  # type: ignore[arg-type]


def standardised_chi_square(counts: torch.Tensor, probabilities: torch.Tensor) -> float:
    """Pearson's statistic as a number of standard deviations from its mean; rare cells pooled."""
    expected = probabilities.double() * counts.sum()
    rare = expected < 5
    observed = torch.cat([counts[~rare].double(), counts[rare].sum().double()[None]])
    expected = torch.cat([expected[~rare], expected[rare].sum()[None]])
    kept = expected > 0
    statistic = ((observed - expected) ** 2 / expected)[kept].sum()
    freedom = int(kept.sum()) - 1
    return float((statistic - freedom) / (2 * freedom) ** 0.5)


@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_draws_have_the_softmax_distribution(temperature: float) -> None:
    torch.manual_seed(0)
    logits = 2 * torch.randn(500)
    tokens, logprobs = draw(logits.expand(20_000, -1), torch.rand(20_000).double(), temperature)
    exact = (logits / temperature).log_softmax(-1)
    counts = torch.bincount(tokens, minlength=500)
    assert standardised_chi_square(counts, exact.exp()) < 3.5
    torch.testing.assert_close(logprobs, exact[tokens])


def test_the_chi_square_test_can_fail() -> None:
    torch.manual_seed(0)
    logits = 2 * torch.randn(500)
    tokens, _ = draw(logits.expand(20_000, -1), torch.rand(20_000).double(), 0.9)
    counts = torch.bincount(tokens, minlength=500)
    assert standardised_chi_square(counts, logits.softmax(-1)) > 10


def test_draws_at_the_ends_stay_inside_the_table() -> None:
    logits = torch.tensor([[-torch.inf, 0.0, 0.0, -torch.inf]]).expand(2, -1)
    tokens, _ = draw(logits, torch.tensor([0.0, 1 - 2**-53], dtype=torch.float64), 1.0)
    assert tokens.tolist() == [1, 2]


def test_diverged_weights_are_named(model: LlamaForCausalLM) -> None:
    with torch.no_grad():
        model.base_model.norm.weight.fill_(torch.nan)
    with pytest.raises(FloatingPointError, match="diverged"):
        generate(model, PROMPTS, 1, sampling())


def test_first_tokens_of_many_rows_have_the_models_distribution(model: LlamaForCausalLM) -> None:
    [rows] = generate(model, PROMPTS[:1], 4000, sampling(max_new_tokens=1))
    counts = torch.bincount(torch.tensor([row.tokens[0] for row in rows]), minlength=261)
    exact = model(input_ids=torch.tensor(PROMPTS[:1])).logits[0, -1].softmax(-1)
    assert standardised_chi_square(counts, exact.detach()) < 3.5


@pytest.mark.parametrize("cost", [0, 64], ids=["prompts read apart", "together"])
@pytest.mark.parametrize("temperature", [1.0, 0.8])
def test_logprobs_equal_a_plain_forward_pass(
    model: LlamaForCausalLM, temperature: float, cost: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(padding.PASS_COST, "cpu", cost)
    groups = generate(model, PROMPTS, 5, sampling(temperature=temperature))
    for prompt, group in zip(PROMPTS, groups, strict=True):
        for row in group:
            inputs = torch.tensor([[*prompt, *row.tokens]])
            logits = model(input_ids=inputs).logits[0, len(prompt) - 1 : -1] / temperature
            table = logits.log_softmax(-1)
            exact = table[torch.arange(len(row.tokens)), torch.tensor(row.tokens)]
            torch.testing.assert_close(torch.tensor(row.logprobs), exact, atol=1e-4, rtol=0)


def test_sampling_and_scoring_agree(model: LlamaForCausalLM) -> None:
    rows = [group[0] for group in generate(model, PROMPTS, 1, sampling())]
    scored = response_logprobs(model, PROMPTS, [row.tokens for row in rows])
    for index, row in enumerate(rows):
        own = torch.tensor(row.logprobs)
        torch.testing.assert_close(scored.logprobs[index, : len(own)], own, atol=1e-4, rtol=0)


def test_rows_end_at_the_stop_token_or_the_limit(model: LlamaForCausalLM) -> None:
    rows = [row for group in generate(model, PROMPTS, 200, sampling()) for row in group]
    stopped = [row for row in rows if row.finish_reason == "stop"]
    assert 5 < len(stopped) < len(rows), "the sample must show both endings"
    assert all(row.tokens.count(STOP) == 1 and row.tokens[-1] == STOP for row in stopped)
    for row in rows:
        assert len(row.logprobs) == len(row.tokens) <= 12
        assert row.finish_reason == "stop" or (len(row.tokens) == 12 and STOP not in row.tokens)


def test_the_same_call_gives_the_same_text(model: LlamaForCausalLM) -> None:
    assert generate(model, PROMPTS, 3, sampling()) == generate(model, PROMPTS, 3, sampling())
    other = generate(model, PROMPTS, 3, sampling(seed=4_000))
    assert other != generate(model, PROMPTS, 3, sampling())


def tokens(groups: list[list[Generated]]) -> list[list[list[int]]]:
    return [[row.tokens for row in group] for group in groups]


def test_what_else_is_in_the_batch_changes_no_text(model: LlamaForCausalLM) -> None:
    together = tokens(generate(model, PROMPTS, 3, sampling()))
    alone = [tokens(generate(model, [prompt], 3, sampling()))[0] for prompt in PROMPTS]
    small = tokens(generate(model, PROMPTS, 3, sampling(), token_budget=1))
    assert together == alone == small


def test_a_completion_is_repeated_by_its_own_seed(model: LlamaForCausalLM) -> None:
    [group] = tokens(generate(model, PROMPTS[:1], 4, sampling(seed=50)))
    again = [tokens(generate(model, PROMPTS[:1], 1, sampling(seed=50 + j)))[0][0] for j in range(4)]
    assert group == again
    assert len({tuple(row) for row in group}) == 4


def test_a_prompt_given_twice_is_answered_differently(model: LlamaForCausalLM) -> None:
    twice = tokens(generate(model, [PROMPTS[0], PROMPTS[0]], 2, sampling()))
    once = tokens(generate(model, [PROMPTS[0]], 4, sampling()))
    assert [*twice[0], *twice[1]] == once[0]


def test_a_share_of_the_prompts_is_answered_as_in_the_whole(model: LlamaForCausalLM) -> None:
    whole = [PROMPTS[0], PROMPTS[1], PROMPTS[0], PROMPTS[0], PROMPTS[1]]
    seeds = sampling(seed=7).seeds(whole, 2)
    assert seeds == [7, 7, 9, 11, 9]
    together = tokens(generate(model, whole, 2, sampling(seed=7)))
    for share in (slice(0, None, 2), slice(1, None, 2), slice(3, 4)):
        part = generate(model, whole[share], 2, sampling(seed=7), seeds=seeds[share])
        assert tokens(part) == together[share]
    with pytest.raises(ValueError, match="zip"):
        generate(model, whole, 2, sampling(), seeds=seeds[:2])


def test_a_shorter_limit_gives_the_beginning_of_the_text(model: LlamaForCausalLM) -> None:
    long = tokens(generate(model, PROMPTS, 2, sampling()))
    short = tokens(generate(model, PROMPTS, 2, sampling(max_new_tokens=4)))
    assert short == [[row[:4] for row in group] for group in long]


def test_temperature_zero_takes_the_likeliest_token(model: LlamaForCausalLM) -> None:
    [[row]] = generate(model, PROMPTS[:1], 1, sampling(temperature=0, max_new_tokens=3))
    context = list(PROMPTS[0])
    for token in row.tokens:
        assert token == model(input_ids=torch.tensor([context])).logits[0, -1].argmax()
        context.append(token)


def test_tokens_stream_as_they_are_drawn(model: LlamaForCausalLM) -> None:
    seen: dict[tuple[int, int], list[int]] = {}

    def collect(prompt: int, number: int, token: int) -> None:
        seen.setdefault((prompt, number), []).append(token)

    groups = tokens(generate(model, PROMPTS, 2, sampling(), on_token=collect))
    assert seen == {(p, j): row for p, group in enumerate(groups) for j, row in enumerate(group)}


def test_dropout_is_off_while_sampling_and_restored(model: LlamaForCausalLM) -> None:
    expected = generate(model, PROMPTS, 2, sampling())
    model.train()
    for layer in model.base_model.layers:
        layer.self_attn.attention_dropout = 0.5
    assert generate(model, PROMPTS, 2, sampling()) == expected
    assert model.training


def test_the_context_bounds_prompt_and_completion(model: LlamaForCausalLM) -> None:
    context = model.config.max_position_embeddings
    prompts = [[7] * (context - 3), [7, 8]]
    groups = generate(model, prompts, 1, sampling(stop_ids=()))
    assert [len(group[0].tokens) for group in groups] == [3, 12]
    with pytest.raises(PromptTooLong, match=f"{context} tokens"):
        generate(model, [[7] * context], 1, sampling())
