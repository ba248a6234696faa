"""Times of forward, and of forward and backward passes, of a policy over response tokens.

Usage: python passes.py JOBFILE, with the job {"policy", "tokens", "trunk", "unembedding",
"tokens_a_pass"}. The batch goes through the model in parts, as in training. `floor_gflop` counts
the model's matrix products (2 operations a parameter forward, 6 with the backward pass), so what
attention, norms and recomputed logits cost counts as loss.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from stopwatch import peak_memory

from models_service.lm.checkpoint import load_policy
from models_service.lm.cpu import accumulate, malloc
from models_service.lm.padding import lean_batches
from models_service.lm.scoring import response_logprobs
from trainer.algorithms.distributed.group import Crew

TRIES = 5


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """Seconds of every try of both."""
    crew = Crew()
    policy = crew.place(load_policy(job["policy"])[0])
    rows = json.loads(Path(job["tokens"]).read_text())
    prompts, responses = [r["prompt"] for r in rows], [r["response"] for r in rows]
    answered = sum(map(len, responses))
    tokens = sum(map(len, prompts)) + answered
    gflop = 2 * (job["trunk"] * tokens + job["unembedding"] * answered) / 1e9

    lengths = [len(p) + len(r) for p, r in zip(prompts, responses, strict=True)]
    parts = lean_batches(lengths, job["tokens_a_pass"], policy.device)

    def forward() -> None:
        with torch.inference_mode(), crew.autocast():
            response_logprobs(policy, prompts, responses, token_budget=job["tokens_a_pass"])

    def forward_and_backward() -> None:
        for part in parts:
            with crew.autocast():
                scored = response_logprobs(
                    policy, [prompts[i] for i in part], [responses[i] for i in part]
                )
            scored.logprobs.sum().backward()
        policy.zero_grad()

    with malloc.kept(), accumulate.in_place(policy), crew.repeatable():
        once, both = _times(forward), _times(forward_and_backward)
    return {
        "rows": len(rows),
        "tokens": tokens,
        **peak_memory(),
        "forward": {"steps": once, "floor_gflop": gflop},
        "forward_and_backward": {"steps": both, "floor_gflop": 3 * gflop},
    }


def _times(action: Callable[[], None]) -> list[dict[str, float]]:
    steps = []
    for _ in range(TRIES):
        start = time.perf_counter()
        action()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        steps.append({"seconds": round(time.perf_counter() - start, 4)})
    return steps


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(Path(sys.argv[1]).read_text()))))
