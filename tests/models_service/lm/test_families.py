"""What must hold whatever the architecture: sampling, log-probabilities, heads."""

from __future__ import annotations

import pytest
import torch

from models_service.lm.context import context_in
from models_service.lm.generation import PromptTooLong, Sampling, generate
from models_service.lm.heads import ScalarModel
from models_service.lm.logprobs import unembedding
from models_service.lm.padding import right_pad
from models_service.lm.scoring import response_logprobs
from tests.families import FAMILIES, make

VOCABULARY = 261
PROMPTS = [[7, 8, 9, 10, 11], [20, 21], [7, 8, 9, 10, 11, 12, 13, 14] * 5, [30, 31]]
NEW_TOKENS = 40  # past the families' windows


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_sampled_and_scored_has_the_models_own_log_probs(family: str) -> None:
    model = make(family, VOCABULARY)
    assert unembedding(model) is not None
    drawn = generate(model, PROMPTS, 2, Sampling(NEW_TOKENS, 1.0, 0, (1,), 0))
    for prompt, group in zip(PROMPTS, drawn, strict=True):
        with torch.no_grad():
            scored = response_logprobs(model, [prompt] * 2, [one.tokens for one in group]).logprobs
        for row, one in enumerate(group):
            with torch.no_grad():
                logits = model(torch.tensor([[*prompt, *one.tokens]]), use_cache=False).logits[0]
            places = torch.arange(len(one.tokens)) + len(prompt) - 1
            own = logits[places].float().log_softmax(-1)
            own = own.gather(1, torch.tensor(one.tokens)[:, None])[:, 0]
            torch.testing.assert_close(torch.tensor(one.logprobs), own, atol=1e-5, rtol=0)
            torch.testing.assert_close(scored[row, : len(own)], own, atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", ["gpt2", "mpt", "opt_projected", "llama"])
def test_no_family_is_given_more_than_it_reads(family: str) -> None:
    model = make(family, VOCABULARY)
    context = context_in(model.config.to_dict())
    assert context is not None
    longest = [7] * (context - 2)
    [[drawn]] = generate(model, [longest], 1, Sampling(NEW_TOKENS, 1.0, 0, (), 0))
    assert len(drawn.tokens) == 2
    with pytest.raises(PromptTooLong):
        generate(model, [[7] * context], 1, Sampling(NEW_TOKENS, 1.0, 0, (), 0))


@pytest.mark.parametrize("family", ["llama", "mamba", "lfm2"])
def test_rows_end_apart_and_depend_on_nothing_else_in_their_batch(family: str) -> None:
    model = make(family, VOCABULARY)
    ends = tuple(range(1, 60))  # some rows end early
    sampling = Sampling(NEW_TOKENS, 1.0, 3, ends, 0)
    together = generate(model, PROMPTS, 3, sampling)
    lengths = {len(one.tokens) for group in together for one in group}
    assert len(lengths) > 3
    for prompt, group in zip(PROMPTS, together, strict=True):
        [alone] = generate(model, [prompt], 3, sampling)
        assert [one.tokens for one in alone] == [one.tokens for one in group]
        assert all((one.finish_reason == "stop") == (one.tokens[-1] in ends) for one in group)


@pytest.mark.parametrize("family", FAMILIES)
def test_padding_changes_no_score(family: str) -> None:
    model = ScalarModel.from_policy(make(family, VOCABULARY), seed=1).eval()
    rows = [PROMPTS[2], PROMPTS[0]]
    batch = right_pad(rows, 0)
    with torch.no_grad():
        scores = model.scores(batch.ids, batch.mask)
        for score, row in zip(scores, rows, strict=True):
            alone = torch.tensor([row])
            torch.testing.assert_close(
                score, model.scores(alone, torch.ones_like(alone))[0], atol=1e-5, rtol=0
            )
