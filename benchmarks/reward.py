"""Reward model training against TRL's RewardTrainer, seconds a prompt group at K = 4 and K = 9.

A group is one prompt of 64 tokens with K completions of 64; a step is forward, backward and update
on all its K(K−1)/2 pairs. Ours computes the prompt once and every completion once; TRL runs two
full rows a pair. Float32, no gradient checkpointing. The floor is 6 operations a parameter and
distinct token. On a GPU ours also takes the paper's 64 groups a step.
"""

from __future__ import annotations

from typing import Any

from duel import TOKENS, Arena, best, parser
from environment import TRL

PROMPT, COMPLETION = 64, 64
STEPS = 3
# TRL's own number of steps, for it takes most of the time.
TRL_STEPS = {4: 3, 9: 2}
PAPER_BATCH = 64


def compare_at(arena: Arena, k: int, groups: int) -> dict[str, Any]:
    """The contenders on `groups` groups of `k` completions a step."""
    rows = [{"prompt": PROMPT, "completions": [COMPLETION] * k}] * (groups * (STEPS + 1))
    work = arena.prepare("reward", rows) | {"algorithm": "reward", "reward": None}
    config = {
        "batch_size": groups,
        "learning_rate": 1e-5,
        "tokens_per_micro_batch": max(4096, TOKENS[arena.device]),
    }
    pairs = k * (k - 1) // 2
    trl = {"arguments": {"per_device_train_batch_size": pairs}, "steps": TRL_STEPS[k]}
    tokens = groups * (work["rows"][0]["prompt"] + sum(work["rows"][0]["completions"]))
    ours = {"config": config, "steps": STEPS, "floor_flops": 6 * work["trunk"] * tokens}
    results = arena.duel(work, {"tutelage": ours}, trl, TRL)
    for result in results.values():
        result["seconds_a_group"] = round(best(result) / groups, 5)
        result["tokens_a_second"] = round(tokens / best(result))
    return results


def main() -> None:
    """Both K, between two measurements of the machine."""
    arena = Arena.chosen(parser(__doc__).parse_args())
    sizes = {"k4": (4, 1), "k9": (9, 1)}
    if arena.device == "cuda":
        sizes |= {f"{name}_batch{PAPER_BATCH}": (k, PAPER_BATCH) for name, (k, _) in sizes.items()}
    arena.report("reward", lambda: {name: compare_at(arena, *size) for name, size in sizes.items()})


if __name__ == "__main__":
    main()
