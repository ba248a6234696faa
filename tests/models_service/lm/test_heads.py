"""The scalar head: its start, and that padding never changes a score or a value."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaForCausalLM

from models_service.lm.heads import ScalarModel, last_token
from models_service.lm.padding import left_pad, right_pad

ROWS = [[9, 30, 31, 32, 33, 34, 35], [9, 40, 41], [50]]


def test_the_head_starts_as_documented(model: LlamaForCausalLM) -> None:
    weights = torch.cat([ScalarModel.from_policy(model, s).head.weight[0] for s in range(100)])
    assert weights.std().item() == pytest.approx((64 + 1) ** -0.5, rel=0.03)
    assert weights.mean().item() == pytest.approx(0, abs=0.01)
    assert ScalarModel.from_policy(model).head.bias is None


def test_the_same_seed_gives_the_same_head(model: LlamaForCausalLM) -> None:
    first, again = (ScalarModel.from_policy(model, seed=5) for _ in range(2))
    assert torch.equal(first.head.weight, again.head.weight)


def test_training_the_scalar_model_leaves_the_policy_alone(model: LlamaForCausalLM) -> None:
    before = model.base_model.embed_tokens.weight.clone()
    scalar = ScalarModel.from_policy(model)
    with torch.no_grad():
        scalar.trunk.embed_tokens.weight.zero_()
    assert torch.equal(model.base_model.embed_tokens.weight, before)


@pytest.mark.parametrize("pad", [left_pad, right_pad])
@pytest.mark.parametrize("extra", [0, 5])
def test_padding_changes_no_score_and_no_value(
    model: LlamaForCausalLM, pad: object, extra: int
) -> None:
    scalar = ScalarModel.from_policy(model).eval()
    filler = [[7] * (len(ROWS[0]) + extra)]
    batch = pad([*ROWS, *filler], 0)  # type: ignore[operator]
    with torch.inference_mode():
        scores = scalar.scores(batch.ids, batch.mask, batch.positions)
        values = scalar.values(batch.ids, batch.mask)
        for index, row in enumerate(ROWS):
            alone = right_pad([row], 0)
            expected = scalar.values(alone.ids, alone.mask)[0]
            torch.testing.assert_close(scores[index], expected[-1], atol=1e-5, rtol=0)
            real = values[index][batch.mask[index].bool()]
            torch.testing.assert_close(real, expected, atol=1e-5, rtol=0)


def test_the_offset_is_subtracted(model: LlamaForCausalLM) -> None:
    scalar = ScalarModel.from_policy(model).eval()
    batch = right_pad(ROWS, 0)
    before = scalar.scores(batch.ids, batch.mask)
    scalar.offset.fill_(2.5)
    torch.testing.assert_close(scalar.scores(batch.ids, batch.mask), before - 2.5)


def test_the_last_real_token_is_found_on_both_sides() -> None:
    mask = torch.tensor([[0, 1, 1], [1, 1, 0], [1, 0, 0]])
    assert last_token(mask).tolist() == [2, 1, 0]
