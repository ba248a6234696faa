"""Learning rates, β and averaged weights against closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from models_service.lm.checkpoint import load_policy
from trainer.algorithms import schedules


def test_cosine_starts_at_the_peak_and_ends_at_a_tenth() -> None:
    rates = [schedules.cosine_to_tenth(step, 101) for step in range(101)]
    assert rates[0] == 1
    assert rates[50] == pytest.approx(0.55)
    assert rates[100] == pytest.approx(0.1)
    assert rates == sorted(rates, reverse=True)
    assert schedules.cosine_to_tenth(25, 101) == pytest.approx(
        0.1 + 0.9 * math.cos(math.pi / 8) ** 2
    )


def test_a_run_of_one_step_is_made_at_the_peak() -> None:
    assert schedules.cosine_to_tenth(0, 1) == 1


def test_warmup_rises_linearly_from_a_tenth_over_ten_iterations() -> None:
    rates = [schedules.linear_warmup(i, 10) for i in range(13)]
    assert rates == pytest.approx([0.1 + 0.09 * i for i in range(10)] + [1, 1, 1])
    assert schedules.linear_warmup(0, 0) == 1


@pytest.mark.parametrize(
    ("kl", "expected"),
    [(6.0, 0.02), (6.6, 0.02 * (1 + 0.1 * 0.05)), (60.0, 0.0202), (0.0, 0.0198)],
)
def test_beta_moves_by_at_most_a_fifth_of_the_share_of_the_horizon(
    kl: float, expected: float
) -> None:
    assert schedules.adapt_beta(0.02, kl, 6.0, episodes=512, horizon=10_240) == pytest.approx(
        expected
    )


def test_beta_stays_positive_where_a_batch_is_longer_than_the_horizon() -> None:
    beta = 0.02
    for _ in range(3):
        beta = schedules.adapt_beta(beta, 0.0, 6.0, episodes=512, horizon=20)
    assert beta == pytest.approx(0.02 * 0.8**3)


def test_averaged_weights_equal_the_closed_form() -> None:
    model = nn.Linear(1, 1, bias=False)
    values = [2.0, -1.0, 5.0, 3.0]
    nn.init.constant_(model.weight, values[0])
    average = schedules.WeightAverage(model, decay=0.992)
    for value in values[1:]:
        nn.init.constant_(model.weight, value)
        average.update(model)
    later = sum(0.008 * 0.992 ** (2 - i) * v for i, v in enumerate(values[1:]))
    assert average.weights["weight"].item() == pytest.approx(0.992**3 * values[0] + later)


def test_applied_average_is_used_inside_and_the_own_weights_are_back_after(tiny) -> None:
    model, _ = load_policy(tiny)
    average = schedules.WeightAverage(model, decay=0.5)
    before = {name: p.clone() for name, p in model.named_parameters()}
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1)
    with average.applied(model):
        assert all(torch.equal(p, before[n]) for n, p in model.named_parameters())
        # Tied weights stay one: the unembedding reads the averaged embedding too.
        assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert all(torch.equal(p, before[n] + 1) for n, p in model.named_parameters())
    assert all(torch.equal(w, before[n]) for n, w in average.weights.items())
