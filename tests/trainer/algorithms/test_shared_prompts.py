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
from tests.families import FAMILIES, PACKED, make
from trainer.algorithms.contract import TrainingError
from trainer.algorithms.data import Group
from trainer.algorithms.losses import ranking_loss
from trainer.algorithms.shared_prompts import ALONE, block_mask, choose_layout, group_scores

VOCABULARY = 261
MODEL = ScalarModel.from_policy(tiny_model(VOCABULARY), seed=1).eval()
LAYOUT = choose_layout(MODEL, 64, pad_id=0)
LONGEST = 200  # past every window and chunk of the families


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
        packed = group_scores(MODEL, groups, 0, LAYOUT)
        for group, scores in zip(groups, packed, strict=True):
            torch.testing.assert_close(scores, reference_scores(MODEL, group), atol=1e-5, rtol=1e-4)
            torch.testing.assert_close(
                scores, reference_scores(MODEL, group, left=True), atol=1e-5, rtol=1e-4
            )


def test_gradients_equal_one_row_a_completion() -> None:
    model = ScalarModel.from_policy(tiny_model(VOCABULARY), seed=1)
    group = random_group(5, 3)
    ranks = torch.tensor(group.rankings[0])
    ranking_loss(group_scores(model, [group, random_group(3, 9)], 0, LAYOUT)[0], ranks).backward()
    packed = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    ranking_loss(reference_scores(model, group), ranks).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        torch.testing.assert_close(packed[name], parameter.grad, atol=1e-5, rtol=1e-3)


def long_groups() -> list[Group]:
    """Groups whose rows reach past every window, alone as well as packed."""
    rng = random.Random(4)
    lengths = [(60, (30, 5, 41)), (9, (2, 50))]
    return [
        Group(
            [rng.randrange(2, VOCABULARY) for _ in range(prompt)],
            [[rng.randrange(2, VOCABULARY) for _ in range(n)] for n in completions],
            [[*range(1, len(completions) + 1)]],
        )
        for prompt, completions in lengths
    ]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_scores_and_learns_as_one_row_a_completion(family: str) -> None:
    model = ScalarModel.from_policy(make(family, VOCABULARY), seed=1).eval()
    layout = choose_layout(model, LONGEST, pad_id=0)
    assert layout.name == PACKED[family]
    groups = long_groups()
    ranks = [torch.tensor(group.rankings[0]) for group in groups]

    def learn(scores: list[torch.Tensor]) -> dict[str, torch.Tensor]:
        model.zero_grad()
        torch.stack(
            [ranking_loss(s, r) for s, r in zip(scores, ranks, strict=True)]
        ).sum().backward()
        return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}

    packed = group_scores(model, groups, 0, layout)
    alone = [
        torch.stack(
            [
                model.scores(torch.tensor([row]), torch.ones(1, len(row))).squeeze(0)
                for row in ([*g.prompt, *c] for c in g.completions)
            ]
        )
        for g in groups
    ]
    for ours, theirs in zip(packed, alone, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    ours, theirs = learn(packed), learn(alone)
    assert ours.keys() == theirs.keys()
    for name, gradient in theirs.items():
        largest = float(gradient.abs().max())
        assert float((ours[name] - gradient).abs().max()) <= 1e-4 * max(largest, 1e-3), name


@pytest.mark.parametrize("family", [name for name in FAMILIES if PACKED[name] != ALONE.name])
def test_a_mask_of_truth_values_would_not_do(family: str) -> None:
    """A packed row's mask is added to scores: 0 where it may look, the least number elsewhere."""
    model = ScalarModel.from_policy(make(family, VOCABULARY)).eval()
    masks = choose_layout(model, LONGEST, pad_id=0).masks
    assert masks is not None
    found = masks(torch.tensor([[0, 1, 2]]), torch.tensor([[0, 1, 1]]), torch.float32)
    for mask in found.values() if isinstance(found, dict) else [found]:
        assert mask.dtype == torch.float32
        assert mask[0, 0, 2].tolist() == [0.0, torch.finfo(torch.float32).min, 0.0]


def test_windows_that_no_row_reaches_past_need_no_mask_of_their_own() -> None:
    model = ScalarModel.from_policy(make("mistral", VOCABULARY)).eval()
    assert choose_layout(model, 32, pad_id=0).name == "packed, one mask for all layers"


def test_a_model_that_mixes_the_rows_of_a_batch_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = ScalarModel.from_policy(tiny_model(VOCABULARY)).eval()
    forward = model.trunk.forward

    def mixing(*args: object, **kwargs: object) -> object:
        output = forward(*args, **kwargs)
        output.last_hidden_state = output.last_hidden_state - output.last_hidden_state.mean(0)
        return output

    monkeypatch.setattr(model.trunk, "forward", mixing)
    with pytest.raises(TrainingError, match="depends on what else is in its batch"):
        choose_layout(model, 64, pad_id=0)


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
        one, other = (group_scores(MODEL, [g], 0, LAYOUT)[0] for g in (group, longer))
    assert one[[0, 2]].tolist() == pytest.approx(other[[0, 2]].tolist(), abs=1e-5)
