"""The tiny model and its tokenizer, sharpened so that its distributions are far from uniform."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from models_service.lm.tiny import byte_tokenizer, tiny_model


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads cost more than they give at this size."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    return byte_tokenizer()


@pytest.fixture
def model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    model = tiny_model(len(tokenizer), seed=1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(6.0)
    return model
