"""Every formula against a brute-force loop, a closed form or autograd in float64."""

from __future__ import annotations

import math
import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from trainer.algorithms import losses

K = st.integers(2, 9)
SEED = st.integers(0, 10_000)
LENGTHS = st.lists(st.integers(1, 7), min_size=1, max_size=6)


def ragged(lengths: list[int], seed: int, count: int) -> tuple[list[Tensor], Tensor]:
    """`count` float64 tensors [B, T] with NaN-free noise everywhere, and the mask."""
    generator = torch.Generator().manual_seed(seed)
    shape = (len(lengths), max(lengths))
    mask = (torch.arange(shape[1])[None] < torch.tensor(lengths)[:, None]).long()
    return [
        torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(count)
    ], mask


def cells(mask: Tensor) -> list[tuple[int, int]]:
    return [(i, j) for i, row in enumerate(mask.tolist()) for j, real in enumerate(row) if real]


def draw_ranking(k: int, seed: int) -> tuple[Tensor, Tensor]:
    rng = random.Random(seed)
    scores = torch.tensor([rng.gauss(0, 2) for _ in range(k)], dtype=torch.float64)
    return scores, torch.tensor([rng.randint(1, k) for _ in range(k)])


@given(K, SEED)
@settings(max_examples=60, deadline=None)
def test_ranking_loss_and_its_gradient_equal_a_loop_over_pairs(k: int, seed: int) -> None:
    scores, ranks = draw_ranking(k, seed)
    s, r = scores.tolist(), ranks.tolist()
    pairs = [(i, j) for i in range(k) for j in range(k) if r[i] < r[j]]
    terms = [math.log1p(math.exp(-(s[i] - s[j]))) for i, j in pairs]
    gradient = [0.0] * k
    for i, j in pairs:
        slope = 1 / (1 + math.exp(s[i] - s[j])) / len(pairs)
        gradient[i] -= slope
        gradient[j] += slope
    scores.requires_grad_()
    loss = losses.ranking_loss(scores, ranks)
    loss.backward()
    assert loss.item() == pytest.approx(sum(terms) / len(pairs) if pairs else 0.0)
    assert scores.grad is not None
    assert scores.grad.tolist() == pytest.approx(gradient)


@given(K, SEED)
@settings(max_examples=30, deadline=None)
def test_all_tied_is_zero_with_zero_gradient(k: int, seed: int) -> None:
    scores = draw_ranking(k, seed)[0].requires_grad_()
    loss = losses.ranking_loss(scores, torch.full((k,), 2))
    loss.backward()
    assert loss.item() == 0
    assert scores.grad is not None and scores.grad.abs().sum() == 0


@given(K, SEED)
@settings(max_examples=30, deadline=None)
def test_ranking_loss_ignores_order_and_scale_of_ranks(k: int, seed: int) -> None:
    scores, ranks = draw_ranking(k, seed)
    order = torch.randperm(k)
    same = losses.ranking_loss(scores[order], 10 * ranks[order])
    assert same.item() == pytest.approx(losses.ranking_loss(scores, ranks).item())


@given(SEED)
@settings(max_examples=20, deadline=None)
def test_kl_estimates_equal_their_definitions(seed: int) -> None:
    (a, b), _ = ragged([4, 3], seed, 2)
    k1, k2, k3 = losses.kl_estimates(a, b)
    for x, y, e1, e2, e3 in zip(*(t.flatten().tolist() for t in (a, b, k1, k2, k3)), strict=True):
        assert e1 == pytest.approx(x - y)
        assert e2 == pytest.approx((x - y) ** 2 / 2)
        assert e3 == pytest.approx(math.exp(y - x) - 1 + (x - y))
        assert e3 >= 0


def test_k1_and_k3_estimate_the_divergence_of_two_categorical_distributions() -> None:
    p = torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64)
    q = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    k1, _, k3 = losses.kl_estimates(p.log(), q.log())
    exact = (p * (p / q).log()).sum()
    torch.testing.assert_close((p * k1).sum(), exact)
    torch.testing.assert_close((p * k3).sum(), exact)


@given(LENGTHS, SEED)
@settings(max_examples=40, deadline=None)
def test_token_rewards_put_the_score_on_the_last_real_token(lengths: list[int], seed: int) -> None:
    (k1,), mask = ragged(lengths, seed, 1)
    scores = torch.arange(1.0, len(lengths) + 1, dtype=torch.float64)
    rewards = losses.token_rewards(scores, k1, mask, beta=0.3)
    expected = torch.zeros_like(k1)
    for i, j in cells(mask):
        expected[i, j] = -0.3 * k1[i, j] + (scores[i] if j == lengths[i] - 1 else 0)
    torch.testing.assert_close(rewards, expected)


def test_gae_gives_the_worked_example() -> None:
    r, v = torch.tensor([[0.0, 0.0, 1.0]]), torch.full((1, 3), 0.5)
    advantages, returns = losses.gae(r, v, torch.ones(1, 3), gamma=1.0, lam=0.95)
    torch.testing.assert_close(advantages, torch.tensor([[0.45125, 0.475, 0.5]]))
    torch.testing.assert_close(returns, torch.tensor([[0.95125, 0.975, 1.0]]))


@given(LENGTHS, SEED, st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_gae_equals_the_sum_of_discounted_deltas(
    lengths: list[int], seed: int, gamma: float, lam: float
) -> None:
    (r, v), mask = ragged(lengths, seed, 2)
    advantages, returns = losses.gae(r, v, mask, gamma, lam)
    expected = torch.zeros_like(r)
    for i, n in enumerate(lengths):
        following = [*v[i, 1:n].tolist(), 0.0]
        deltas = [r[i, t].item() + gamma * following[t] - v[i, t].item() for t in range(n)]
        for t in range(n):
            expected[i, t] = sum((gamma * lam) ** (u - t) * deltas[u] for u in range(t, n))
    torch.testing.assert_close(advantages, expected)
    torch.testing.assert_close(returns, (expected + v) * mask)


@given(LENGTHS, SEED, st.booleans())
@settings(max_examples=40, deadline=None)
def test_whiten_uses_real_entries_and_biased_variance(
    lengths: list[int], seed: int, shift: bool
) -> None:
    (x,), mask = ragged(lengths, seed, 1)
    white = losses.whiten(x, mask, shift_mean=shift)
    real = x[mask.bool()]
    expected = (real - real.mean()) / torch.sqrt(real.var(unbiased=False) + 1e-8)
    torch.testing.assert_close(white[mask.bool()], expected + (0 if shift else real.mean()))
    assert white[~mask.bool()].abs().sum() == 0


@given(LENGTHS, SEED)
@settings(max_examples=40, deadline=None)
def test_policy_loss_equals_a_loop_over_tokens(lengths: list[int], seed: int) -> None:
    (new, old, adv), mask = ragged(lengths, seed, 3)
    terms = []
    for i, j in cells(mask):
        ratio = math.exp(new[i, j] - old[i, j])
        clipped = min(max(ratio, 0.8), 1.2)
        terms.append(max(-ratio * adv[i, j].item(), -clipped * adv[i, j].item()))
    loss = losses.policy_loss(new, old, adv, mask, clip=0.2)
    assert loss.item() == pytest.approx(sum(terms) / len(terms))


def test_policy_gradient_is_minus_the_advantage_at_ratio_one_and_none_beyond_the_clip() -> None:
    new = torch.tensor([[0.0, 0.5, -0.5, 0.5]], dtype=torch.float64, requires_grad=True)
    old = torch.zeros(1, 4, dtype=torch.float64)
    adv = torch.tensor([[2.0, 1.0, -1.0, -1.0]], dtype=torch.float64)
    losses.policy_loss(new, old, adv, torch.ones(1, 4), clip=0.2).backward()
    assert new.grad is not None
    assert new.grad[0].tolist() == pytest.approx([-0.5, 0, 0, math.exp(0.5) / 4])


@given(LENGTHS, SEED)
@settings(max_examples=40, deadline=None)
def test_value_loss_equals_a_loop_over_tokens(lengths: list[int], seed: int) -> None:
    (new, old, returns), mask = ragged(lengths, seed, 3)
    terms = []
    for i, j in cells(mask):
        v, o, r = (x[i, j].item() for x in (new, old, returns))
        held = min(max(v, o - 0.2), o + 0.2)
        terms.append(max((v - r) ** 2, (held - r) ** 2) / 2)
    loss = losses.value_loss(new, old, returns, mask, clip=0.2)
    assert loss.item() == pytest.approx(sum(terms) / len(terms))


@given(LENGTHS, SEED)
@settings(max_examples=40, deadline=None)
def test_eight_micro_batches_of_one_give_the_gradient_of_one_of_eight(
    lengths: list[int], seed: int
) -> None:
    (new, old, adv), mask = ragged(lengths, seed, 3)
    whole, parts = new.clone().requires_grad_(), new.clone().requires_grad_()

    def total(x: Tensor, rows: slice, count: Tensor | None) -> Tensor:
        m = mask[rows]
        return (
            losses.policy_loss(x[rows], old[rows], adv[rows], m, 0.2, count)
            + losses.value_loss(x[rows], old[rows], adv[rows], m, 0.2, count)
            + losses.cross_entropy(x[rows], m, count)
        )

    total(whole, slice(None), None).backward()
    for i in range(len(lengths)):
        total(parts, slice(i, i + 1), mask.sum()).backward()
    torch.testing.assert_close(parts.grad, whole.grad)


def test_padding_never_reaches_a_loss_even_if_it_is_nan() -> None:
    mask = torch.tensor([[1, 1, 0]])
    x = torch.tensor([[0.1, 0.2, float("nan")]])
    clean = torch.tensor([[0.1, 0.2]])
    for loss in (losses.policy_loss, losses.value_loss):
        assert loss(x, x, x, mask, 0.2) == loss(clean, clean, clean, mask[:, :2], 0.2)
    assert losses.cross_entropy(x, mask) == losses.cross_entropy(clean, mask[:, :2])


def test_an_empty_mask_gives_zero() -> None:
    x = torch.randn(2, 3, requires_grad=True)
    loss = losses.cross_entropy(x, torch.zeros(2, 3))
    loss.backward()
    assert loss == 0
    assert x.grad is not None and x.grad.abs().sum() == 0


@given(LENGTHS, SEED)
@settings(max_examples=20, deadline=None)
def test_policy_statistics_count_clipped_tokens(lengths: list[int], seed: int) -> None:
    (new, old), mask = ragged(lengths, seed, 2)
    clipped, approxkl = losses.policy_statistics(new, old, mask, clip=0.2)
    differences = [(new[i, j] - old[i, j]).item() for i, j in cells(mask)]
    assert clipped == sum(abs(math.exp(d) - 1) > 0.2 for d in differences)
    assert approxkl.item() == pytest.approx(sum(d * d / 2 for d in differences))


def test_explained_variance_of_a_perfect_a_constant_and_a_wrong_critic() -> None:
    returns, mask = torch.tensor([[1.0, 2.0, 3.0, 99.0]]), torch.tensor([[1, 1, 1, 0]])
    assert losses.explained_variance(returns, returns, mask) == pytest.approx(1)
    assert losses.explained_variance(returns * 0, returns, mask) == pytest.approx(0)
    assert losses.explained_variance(-returns, returns, mask) == pytest.approx(-3)
