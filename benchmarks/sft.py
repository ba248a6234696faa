"""Supervised fine-tuning against TRL's SFTTrainer on ragged lengths, and the passes' efficiency.

An update is 32 examples of ragged length, the loss on responses only; TRL takes them eight at a
time (its default) and accumulates. Float32, no gradient checkpointing. The floor is 6 operations a
parameter and token, logits at response positions only. `passes` times our scoring of 16 rows of
128 tokens, forward and backward, against the machine's matrix rate; `--passes` measures these
alone. On a GPU ours also takes as many examples and rows as fill it.
"""

from __future__ import annotations

import random
import sys
from typing import Any

from duel import Arena, best, parser
from environment import TRL
from machine import run_contender

EXAMPLES, MICRO_BATCH = 32, 8
STEPS = {"cpu": 2, "cuda": 3}
ROWS, PROMPT, RESPONSE = 16, 64, 64
MANY_EXAMPLES, MANY_ROWS = 512, 256


def compare_at(arena: Arena, examples: int) -> dict[str, Any]:
    """The contenders on the same updates of so many examples."""
    steps = STEPS[arena.device]
    work = arena.prepare("sft", ragged_rows((steps + 1) * examples))
    work |= {"algorithm": "sft", "reward": None, "steps": steps}
    budget = work["tokens_a_pass"]
    config = {"batch_size": examples, "epochs": 1, "tokens_per_micro_batch": budget}
    trl = {
        "arguments": {
            "per_device_train_batch_size": MICRO_BATCH,
            "gradient_accumulation_steps": examples // MICRO_BATCH,
        }
    }
    prompts = sum(row["prompt"] for row in work["rows"]) / (steps + 1)
    responses = sum(sum(row["completions"]) for row in work["rows"]) / (steps + 1)
    flops = 6 * (work["trunk"] * (prompts + responses) + work["unembedding"] * responses)
    ours = {"tutelage": {"config": config, "floor_flops": flops}}
    results = arena.duel(work, ours, trl, TRL)
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


def measure_passes(arena: Arena, rows: int) -> dict[str, Any]:
    """A forward and a forward and backward pass over rows of 128 tokens, half of them response."""
    lengths = {"prompt": PROMPT, "completions": [RESPONSE]}
    work = arena.prepare("sft-passes", [lengths] * rows)
    return run_contender(sys.executable, "contenders/passes.py", work)


def compare(arena: Arena, passes_alone: bool) -> dict[str, Any]:
    """Updates, unless passes are wanted alone, and passes, by size."""
    many = arena.device == "cuda"
    updates = {} if passes_alone else {"updates": EXAMPLES}
    passes = {"passes": ROWS}
    if many:
        updates |= {} if passes_alone else {f"updates_batch{MANY_EXAMPLES}": MANY_EXAMPLES}
        passes |= {f"passes_batch{MANY_ROWS}": MANY_ROWS}
    return {
        **{name: compare_at(arena, examples) for name, examples in updates.items()},
        **{name: measure_passes(arena, rows) for name, rows in passes.items()},
    }


def main() -> None:
    """The comparison and the passes, between two measurements of the machine."""
    options = parser(__doc__)
    options.add_argument("--passes", action="store_true", help="the passes alone")
    chosen = options.parse_args()
    arena = Arena.chosen(chosen)
    arena.report("sft", lambda: compare(arena, chosen.passes))


if __name__ == "__main__":
    main()
