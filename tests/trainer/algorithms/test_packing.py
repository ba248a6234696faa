"""One row a prompt gives what one row a completion gives: scores and gradients."""

from __future__ import annotations

import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models_service.lm.heads import ScalarModel
from models_service.lm.padding import left_pad, right_pad
from models_service.lm.tiny import tiny_model
from trainer.algorithms.data import Group
from trainer.algorithms.losses import ranking_loss
from trainer.algorithms.packing import block_mask, group_scores

VOCABULARY = 261
MODEL = ScalarModel.from_policy(tiny_model(VOCABULARY), seed=1)


def random_group(k: int, seed: int) -> Group:
    rng = random.Random(seed)

    def tokens(count: int) -> list[int]:
        return [rng.randrange(2, VOCABULARY) for _ in range(count)]

    completions = [tokens(rng.randint(1, 9)) for _ in range(k)]
    return Group(tokens(rng.randint(1, 12)), completions, [[rng.randint(1, k) for _ in range(k)]])


def reference_scores(model: ScalarModel, group: Group, left: bool = False) -> torch.Tensor:
    rows = [[*group.prompt, *completion] for completion in group.completions]
    batch = (left_pad if left else right_pad)(rows, 0)
    return model.scores(batch.ids, batch.mask)


@given(st.lists(st.integers(2, 9), min_size=1, max_size=3), st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_scores_equal_one_row_a_completion(ks: list[int], seed: int) -> None:
    groups = [random_group(k, seed + i) for i, k in enumerate(ks)]
    with torch.no_grad():
        packed = group_scores(MODEL, groups, pad_id=0)
        for group, scores in zip(groups, packed, strict=True):
            torch.testing.assert_close(scores, reference_scores(MODEL, group), atol=1e-5, rtol=1e-4)
            torch.testing.assert_close(
                scores, reference_scores(MODEL, group, left=True), atol=1e-5, rtol=1e-4
            )


def test_gradients_equal_one_row_a_completion() -> None:
    model = ScalarModel.from_policy(tiny_model(VOCABULARY), seed=1)
    group = random_group(5, 3)
    ranks = torch.tensor(group.rankings[0])
    ranking_loss(group_scores(model, [group, random_group(3, 9)], 0)[0], ranks).backward()
    packed = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    ranking_loss(reference_scores(model, group), ranks).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        torch.testing.assert_close(packed[name], parameter.grad, atol=1e-5, rtol=1e-3)


def test_the_mask_lets_a_completion_see_the_prompt_and_itself_only() -> None:
    segments = torch.tensor([[0, 0, 1, 1, 2, -1]])
    visible = block_mask(segments)[0].int().tolist()
    assert visible == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 0, 0, 1, 0],
        [0, 0, 0, 0, 0, 1],
    ]


def test_a_completion_does_not_change_its_neighbours_scores() -> None:
    group = random_group(3, 5)
    longer = Group(group.prompt, [group.completions[0], [7] * 20, group.completions[2]], [])
    with torch.no_grad():
        one, other = (group_scores(MODEL, [g], 0)[0] for g in (group, longer))
    assert one[[0, 2]].tolist() == pytest.approx(other[[0, 2]].tolist(), abs=1e-5)
