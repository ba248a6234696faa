"""Rate of one forward, and of one forward and backward pass, of a policy over response tokens.

Usage: python passes.py JOBFILE, with the job {"policy", "tokens", "trunk", "unembedding",
"tokens_a_pass"}. The batch goes through the model in parts, as in training. Counts the model's
matrix products (2 operations a parameter forward, 6 with the backward pass), so what attention,
norms and recomputed logits cost counts as loss.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from models_service.lm.checkpoint import load_policy
from models_service.lm.padding import lean_batches
from models_service.lm.scoring import response_logprobs
from trainer.algorithms import accumulate, memory

TRIES = 5


def measure(job: dict[str, Any]) -> dict[str, float]:
    """Seconds and GFLOP/s of both."""
    policy, _ = load_policy(job["policy"])
    rows = json.loads(Path(job["tokens"]).read_text())
    prompts, responses = [r["prompt"] for r in rows], [r["response"] for r in rows]
    answered = sum(map(len, responses))
    tokens = sum(map(len, prompts)) + answered
    flops = 2 * (job["trunk"] * tokens + job["unembedding"] * answered)

    lengths = [len(p) + len(r) for p, r in zip(prompts, responses, strict=True)]
    parts = lean_batches(lengths, job["tokens_a_pass"], policy.device)

    def forward() -> None:
        with torch.inference_mode():
            response_logprobs(policy, prompts, responses, token_budget=job["tokens_a_pass"])

    def forward_and_backward() -> None:
        for part in parts:
            scored = response_logprobs(
                policy, [prompts[i] for i in part], [responses[i] for i in part]
            )
            scored.logprobs.sum().backward()
        policy.zero_grad()

    with memory.kept(), accumulate.in_place(policy):
        once, both = _fastest(forward), _fastest(forward_and_backward)
    return {
        "rows": len(rows), "tokens": tokens,
        "forward_seconds": once, "forward_gflops": flops / once / 1e9,
        "forward_and_backward_seconds": both, "forward_and_backward_gflops": 3 * flops / both / 1e9,
    }  # fmt: skip


def _fastest(action: Callable[[], None]) -> float:
    times = []
    for _ in range(TRIES):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


if __name__ == "__main__":
    measured = measure(json.loads(Path(sys.argv[1]).read_text()))
    print(json.dumps({name: round(value, 3) for name, value in measured.items()}))
