"""An answer as reward models read it: at its stop token if it ended, else at its last word."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaForCausalLM

from models_service.lm.chat import encode_prompt, stop_token_id
from models_service.lm.heads import ScalarModel
from models_service.lm.reading import Said, encode_answer, opinions
from models_service.lm.tiny import byte_tokenizer

HELLO = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def reader(model: LlamaForCausalLM) -> ScalarModel:
    return ScalarModel.from_policy(model, seed=1, heads=2).eval()


def test_only_what_ended_has_a_stop_token() -> None:
    tokenizer = byte_tokenizer()
    cut = encode_answer(tokenizer, "Hi", finished=False)
    assert stop_token_id(tokenizer) not in cut and len(cut) == 2
    assert encode_answer(tokenizer, "Hi", finished=True) == [*cut, stop_token_id(tokenizer)]


def test_half_a_character_at_a_cut_is_not_read() -> None:
    tokenizer, half = byte_tokenizer(), "\N{REPLACEMENT CHARACTER}"
    cut = encode_answer(tokenizer, "Hi", finished=False)
    assert encode_answer(tokenizer, f"Hi{half}{half}", finished=False) == cut
    assert encode_answer(tokenizer, half, finished=False) == []
    # Elsewhere somebody has written it.
    assert len(encode_answer(tokenizer, f"{half}Hi", finished=False)) == 5
    assert len(encode_answer(tokenizer, f"Hi{half}", finished=True)) == 6


def test_the_score_stands_at_the_last_token_of_each(reader: ScalarModel) -> None:
    tokenizer = byte_tokenizer()
    prompt, stop = encode_prompt(tokenizer, HELLO), stop_token_id(tokenizer)
    text = encode_answer(tokenizer, "Hi", finished=False)
    ids = torch.tensor([[*prompt, *text, stop]])
    with torch.no_grad():
        states = reader.hidden(ids, torch.ones_like(ids))
        expected = [reader.opinions(states[0, at]) for at in (-2, -1, len(prompt) - 1)]
    said = opinions(
        reader,
        tokenizer,
        [Said(HELLO, "Hi", False), Said(HELLO, "Hi", True), Said(HELLO, "", False)],
    )
    for found, values in zip(said, expected, strict=True):
        assert found == pytest.approx(values.tolist(), abs=1e-5)
    assert said[0] != pytest.approx(said[1], abs=1e-3)


def test_what_the_template_refuses_has_no_score_and_harms_no_other(reader: ScalarModel) -> None:
    tokenizer = byte_tokenizer()
    alone = opinions(reader, tokenizer, [Said(HELLO, "Hi", True)])
    tokenizer.chat_template = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('No system.') }}{% endif %}"
        + tokenizer.chat_template
    )
    system = [{"role": "system", "content": "Be kind."}, *HELLO]
    refused, found = opinions(
        reader, tokenizer, [Said(system, "Hi", True), Said(HELLO, "Hi", True)]
    )
    assert refused is None
    assert found == pytest.approx(alone[0], abs=1e-5)
