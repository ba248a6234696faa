"""A tiny random Llama with a byte tokenizer, for tests and the `tiny` preset."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from models_service.lm.checkpoint import save_policy

CONTEXT = 1024
PAD, STOP = "<pad>", "<stop>"
ROLES = ("<system>", "<user>", "<assistant>")
TEMPLATE = (
    "{% for m in messages %}{{ '<' + m['role'] + '>' + m['content'] + '<stop>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}"
)


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """One token a byte, any text round-trips; ids 0 and 1 are padding and stop."""
    specials = [PAD, STOP, *ROLES]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    # Sorted: the library gives the alphabet in any order, and ids must be the same on every
    # machine.
    vocabulary = {token: index for index, token in enumerate([*specials, *alphabet])}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    # Without a space before the first word: a text comes back as it went in, to the byte.
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token=PAD,
        eos_token=STOP,
        extra_special_tokens=list(ROLES),
        model_max_length=CONTEXT,
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def tiny_model(vocabulary: int, seed: int = 0) -> LlamaForCausalLM:
    """About 100 thousand random weights, the same for the same seed."""
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        # Grouped queries, tied embeddings: what of the real base the code has to get right stays in
        # it.
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        # The library's defaults name Llama's ids; its beginning of sequence, 1, is the stop token
        # here.
        bos_token_id=None,
        pad_token_id=0,
        eos_token_id=1,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(config).eval()


def write_tiny_checkpoint(folder: Path, seed: int = 0) -> None:
    """Write the tiny model and its tokenizer as a Hugging Face folder."""
    tokenizer = byte_tokenizer()
    save_policy(tiny_model(len(tokenizer), seed), tokenizer, folder)
