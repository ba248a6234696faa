"""Supervised fine-tuning against TRL's SFTTrainer on ragged lengths, and the passes' efficiency.

An update is 32 examples of ragged length, the loss on responses only; TRL takes them eight at a
time (its default) and accumulates. Float32, no gradient checkpointing. The floor is 6 operations a
parameter and token, logits at response positions only. `passes` times our scoring of 16 rows of
128 tokens, forward and backward, against the machine's matrix rate; `--passes` measures these
alone.
"""

from __future__ import annotations

import json
import random
import sys
from typing import Any

from duel import add_floor_shares, best, duel, parser, prepare
from environment import TRL
from machine import measure_machine, run_contender

EXAMPLES, MICRO_BATCH, STEPS = 32, 8, 2
TOKENS = 512  # ours a pass; more takes more memory


def compare(model: str) -> dict[str, Any]:
    """Both contenders on the same updates."""
    work = prepare("sft", model, ragged_rows((STEPS + 1) * EXAMPLES))
    work |= {"algorithm": "sft", "reward": None, "steps": STEPS}
    config = {"batch_size": EXAMPLES, "epochs": 1, "tokens_per_micro_batch": TOKENS}
    trl = {"arguments": {
        "per_device_train_batch_size": MICRO_BATCH,
        "gradient_accumulation_steps": EXAMPLES // MICRO_BATCH,
    }}  # fmt: skip
    prompts = sum(row["prompt"] for row in work["rows"]) / (STEPS + 1)
    responses = sum(sum(row["completions"]) for row in work["rows"]) / (STEPS + 1)
    flops = 6 * (work["trunk"] * (prompts + responses) + work["unembedding"] * responses)
    ours = {"tutelage": {"config": config, "floor_flops": flops}}
    results = duel(work, ours, trl, TRL)
    for result in results.values():
        result["tokens_a_second"] = round((prompts + responses) / best(result), 1)
    return results


def ragged_rows(count: int) -> list[dict[str, Any]]:
    """Lengths as people write: many short ones, a few long ones."""
    rng = random.Random(0)

    def length(median: float, shortest: int, longest: int) -> int:
        return int(min(longest, max(shortest, median * 2 ** rng.gauss(0, 1))))

    return [
        {"prompt": length(48, 24, 256), "completions": [length(48, 8, 256)]} for _ in range(count)
    ]


def measure_passes(model: str) -> dict[str, Any]:
    """Forward and forward-and-backward time of 16 rows of 128 tokens, half of them response."""
    work = prepare("sft-passes", model, [{"prompt": 64, "completions": [64]}] * 16)
    return run_contender(sys.executable, "contenders/passes.py", work | {"tokens_a_pass": TOKENS})


def main() -> None:
    """The comparison and the passes, between two measurements of the machine."""
    options = parser(__doc__)
    options.add_argument("--passes", action="store_true", help="the passes alone")
    chosen = options.parse_args()
    model = "tiny" if chosen.quick else "packaged"
    before = measure_machine()
    figures = {} if chosen.passes else compare(model)
    passes = measure_passes(model)
    machine = max(before, measure_machine(), key=lambda m: m["matrix_gflops"])
    add_floor_shares(figures, machine)
    for name in ("forward", "forward_and_backward"):
        rate = passes[f"{name}_gflops"] / machine["matrix_gflops"]
        passes[f"{name}_share_of_matrix_rate"] = round(rate, 3)
    report = {"benchmark": "sft", "model": model, "machine": machine, **figures, "passes": passes}
    print(json.dumps(report))


if __name__ == "__main__":
    main()
