"""What the contenders work on: a checkpoint, a snapshot for us, the same token ids for the others.

Usage: python workload.py JOBFILE, with the job {"folder", "model", "rows"}; a row of `rows` is
{"prompt": tokens, "completions": [tokens, …]} and says how long the texts are to be. Prints where
the files lie and how large the model is.
"""

from __future__ import annotations

import json
import random
import sys
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, PreTrainedTokenizerBase

from models_service.lm.chat import Message, encode_prompt, encode_response, pad_token_id
from models_service.lm.checkpoint import load_policy, save_policy, save_reward
from models_service.lm.heads import ScalarModel
from models_service.lm.packaged import write_packaged_checkpoint
from models_service.lm.tiny import byte_tokenizer, write_tiny_checkpoint

WORDS = ("the", "of", "and", "to", "in", "that", "was", "he", "it", "for", "on", "with", "as")


def write_random_checkpoint(folder: Path) -> None:
    """The packaged model's shape (SmolLM2-135M) with random weights and a token a byte: the same
    work for a machine that has not got the packaged weights."""
    config = LlamaConfig(
        vocab_size=49_152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30,
        num_attention_heads=9, num_key_value_heads=3, max_position_embeddings=8192,
        rope_parameters={"rope_theta": 100_000.0, "rope_type": "default"}, rms_norm_eps=1e-5,
        tie_word_embeddings=True, bos_token_id=None, pad_token_id=0, eos_token_id=1,
    )  # fmt: skip
    torch.manual_seed(0)
    save_policy(LlamaForCausalLM(config), byte_tokenizer(), folder)


WRITERS = {
    "packaged": write_packaged_checkpoint,
    "random": write_random_checkpoint,
    "tiny": write_tiny_checkpoint,
}


def prepare(job: dict[str, Any]) -> dict[str, Any]:
    """Write checkpoints (once), snapshot and token ids; their places and the parameter counts."""
    folder = Path(job["folder"])
    policy, reward = (folder.parent / f"{job['model']}-{kind}" for kind in ("policy", "reward"))
    folder.mkdir(parents=True, exist_ok=True)
    if not policy.exists():
        WRITERS[job["model"]](policy)
    model, tokenizer = load_policy(policy)
    if not reward.exists():
        save_reward(ScalarModel.from_policy(model, seed=1), tokenizer, reward)
    lines, tokens = _texts(tokenizer, job["rows"])
    snapshot, token_file = folder / "snapshot.jsonl", folder / "tokens.json"
    snapshot.write_text("".join(json.dumps(line) + "\n" for line in lines))
    token_file.write_text(json.dumps(tokens))
    places = {"policy": policy, "reward": reward, "snapshot": snapshot, "tokens": token_file}
    return {name: str(place) for name, place in places.items()} | {
        "pad_id": pad_token_id(tokenizer),
        "rows": [_lengths(row) for row in tokens],
        **_sizes(model),
    }


def _texts(
    tokenizer: PreTrainedTokenizerBase, rows: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Snapshot lines of every type and their token ids, each row with texts of its lengths."""
    rng, lines, tokens = random.Random(0), [], []
    for number, row in enumerate(rows):
        prompt = _text(rng, row["prompt"], lambda t: encode_prompt(tokenizer, _messages(t)))
        texts = [
            _text(rng, length, lambda t: encode_response(tokenizer, t))
            for length in row["completions"]
        ]
        ranks = list(range(1, len(texts) + 1))
        rng.shuffle(ranks)
        common = {"split": "train", "messages": _messages(prompt)}
        who = {"labeler": "nobody", "group": "training"}
        ranked = {"completions": texts, "ranks": ranks}
        lines += [
            {"type": "prompt", "id": f"p{number}", **common},
            {"type": "demonstration", "id": f"d{number}", "response": texts[0], **common, **who},
            {"type": "ranking", "id": f"r{number}", **ranked, **common, **who},
        ]
        completions = [encode_response(tokenizer, text) for text in texts]
        ids = {"prompt": encode_prompt(tokenizer, _messages(prompt)), "ranks": ranks}
        tokens.append(ids | {"completions": completions, "response": completions[0]})
    return lines, tokens


def _messages(text: str) -> list[Message]:
    return [Message(role="user", content=text)]


def _text(rng: random.Random, length: int, encode: Callable[[str], list[int]]) -> str:
    """Random words, the most whose encoding is no longer than `length` (at least one)."""
    words = rng.choices(WORDS, k=length)
    texts = [" ".join(words[:count]) for count in range(1, length + 1)]
    fitting = bisect_right(texts, length, key=lambda text: len(encode(text)))
    return texts[max(fitting, 1) - 1]


def _lengths(row: dict[str, Any]) -> dict[str, Any]:
    return {"prompt": len(row["prompt"]), "completions": [len(c) for c in row["completions"]]}


def _sizes(model: PreTrainedModel) -> dict[str, int]:
    """Parameters a token passes through: the transformer's, and the unembedding's for a logit."""
    embedding = model.get_input_embeddings().weight.numel()
    trunk = sum(p.numel() for p in model.base_model.parameters()) - embedding
    return {"trunk": trunk, "unembedding": model.get_output_embeddings().weight.numel()}


if __name__ == "__main__":
    print(json.dumps(prepare(json.loads(Path(sys.argv[1]).read_text()))))
