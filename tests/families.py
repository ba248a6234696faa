"""Tiny random models of many families, for what must hold whatever the architecture.

Each has a vocabulary of so many tokens, two or three layers, and windows and chunks of 32 tokens
where it has any. Families that mix tokens by something else than attention are among them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import transformers as tf
from transformers import PreTrainedModel

_SMALL: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
}
_GPT: dict[str, Any] = {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 512}
_WINDOW = {"sliding_window": 32}
_BOTH = {"layer_types": ["sliding_attention", "full_attention"], **_WINDOW}
_IDS = {"pad_token_id": 0, "bos_token_id": None, "eos_token_id": 1}

Settings = dict[str, Any]
_FAMILIES: dict[str, tuple[Callable[..., Any], Callable[..., Any], Settings]] = {
    "llama": (tf.LlamaConfig, tf.LlamaForCausalLM, _SMALL),
    "gpt2": (tf.GPT2Config, tf.GPT2LMHeadModel, _GPT),
    "gptj": (tf.GPTJConfig, tf.GPTJForCausalLM, {**_GPT, "rotary_dim": 8}),
    "codegen": (tf.CodeGenConfig, tf.CodeGenForCausalLM, {**_GPT, "rotary_dim": 8}),
    "gpt_neo": (
        tf.GPTNeoConfig, tf.GPTNeoForCausalLM,
        {"hidden_size": 64, "num_layers": 2, "num_heads": 4, "window_size": 32,
         "attention_types": [[["global", "local"], 1]], "max_position_embeddings": 512},
    ),
    "gpt_neox": (tf.GPTNeoXConfig, tf.GPTNeoXForCausalLM, _SMALL),
    "xglm": (
        tf.XGLMConfig, tf.XGLMForCausalLM,
        {"d_model": 64, "ffn_dim": 128, "num_layers": 2, "attention_heads": 4},
    ),
    "opt_projected": (
        tf.OPTConfig, tf.OPTForCausalLM,
        {"hidden_size": 64, "ffn_dim": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
         "word_embed_proj_dim": 32, "max_position_embeddings": 512, "do_layer_norm_before": False},
    ),
    "bloom": (
        tf.BloomConfig, tf.BloomForCausalLM, {"hidden_size": 64, "n_layer": 2, "n_head": 4}
    ),
    "mpt": (
        tf.MptConfig, tf.MptForCausalLM,
        {"d_model": 64, "n_layers": 2, "n_heads": 4, "max_seq_len": 512},
    ),
    "gemma2": (
        tf.Gemma2Config, tf.Gemma2ForCausalLM, {**_SMALL, **_BOTH, "head_dim": 16}
    ),
    "gemma3": (
        tf.Gemma3TextConfig, tf.Gemma3ForCausalLM, {**_SMALL, **_BOTH, "head_dim": 16}
    ),
    "gpt_oss": (
        tf.GptOssConfig, tf.GptOssForCausalLM,
        {**_SMALL, **_BOTH, "head_dim": 16, "num_local_experts": 4, "num_experts_per_tok": 2},
    ),
    "cohere2": (tf.Cohere2Config, tf.Cohere2ForCausalLM, {**_SMALL, **_BOTH}),
    "olmo3": (tf.Olmo3Config, tf.Olmo3ForCausalLM, {**_SMALL, **_BOTH}),
    "mistral": (tf.MistralConfig, tf.MistralForCausalLM, {**_SMALL, **_WINDOW}),
    "mixtral": (
        tf.MixtralConfig, tf.MixtralForCausalLM,
        {**_SMALL, "num_local_experts": 4, "num_experts_per_tok": 2},
    ),
    "granite": (
        tf.GraniteConfig, tf.GraniteForCausalLM, {**_SMALL, "logits_scaling": 4.0}
    ),
    "mamba": (
        tf.MambaConfig, tf.MambaForCausalLM,
        {"hidden_size": 64, "num_hidden_layers": 2, "state_size": 8},
    ),
    "lfm2": (
        tf.Lfm2Config, tf.Lfm2ForCausalLM,
        {**_SMALL, "num_hidden_layers": 3, "layer_types": ["conv", "conv", "full_attention"]},
    ),
    "falcon_h1": (
        tf.FalconH1Config, tf.FalconH1ForCausalLM,
        {**_SMALL, "head_dim": 16, "mamba_d_ssm": 128, "mamba_n_heads": 8, "mamba_d_head": 16,
         "mamba_d_state": 16, "lm_head_multiplier": 0.05},
    ),
}  # fmt: skip

FAMILIES = tuple(_FAMILIES)

PACKED = {
    "llama": "packed, one mask for all layers", "gpt2": "packed, one mask for all layers",
    "gptj": "packed, one mask for all layers", "codegen": "packed, one mask for all layers",
    "gpt_neo": "one row a completion", "gpt_neox": "packed, one mask for all layers",
    "xglm": "packed, one mask for all layers", "opt_projected": "packed, one mask for all layers",
    "bloom": "one row a completion", "mpt": "one row a completion",
    "gemma2": "packed, a mask for each type of layer",
    "gemma3": "packed, a mask for each type of layer",
    "gpt_oss": "packed, a mask for each type of layer",
    "cohere2": "packed, a mask for each type of layer",
    "olmo3": "packed, a mask for each type of layer",
    "mistral": "packed, one mask with a window for all layers",
    "mixtral": "packed, one mask for all layers", "granite": "packed, one mask for all layers",
    "mamba": "one row a completion", "lfm2": "one row a completion",
    "falcon_h1": "one row a completion",
}  # fmt: skip
"""What of `choose_layout` is expected for rows that reach past every window."""


def make(family: str, vocabulary: int, seed: int = 1) -> PreTrainedModel:
    """A model of this family in evaluation mode, the same for the same seed."""
    config, model, settings = _FAMILIES[family]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return model(config(vocab_size=vocabulary, **_IDS, **settings)).eval()
