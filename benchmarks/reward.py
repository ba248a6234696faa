"""Reward model training against TRL's RewardTrainer, seconds a prompt group at K = 4 and K = 9.

A group is one prompt of 64 tokens with K completions of 64; a step is forward, backward and update
on all its K(K−1)/2 pairs. Ours computes the prompt once and every completion once; TRL runs two
full rows a pair. Float32, no gradient checkpointing. The floor is 6 operations a parameter and
distinct token.
"""

from __future__ import annotations

import json
from typing import Any

from duel import add_floor_shares, duel, parser, prepare
from environment import TRL
from machine import measure_machine

PROMPT, COMPLETION = 64, 64


def compare_at(k: int, model: str, steps: int, trl_steps: int) -> dict[str, Any]:
    """Both contenders on groups of `k` completions, a group a step."""
    rows = [{"prompt": PROMPT, "completions": [COMPLETION] * k}] * (max(steps, trl_steps) + 1)
    work = prepare("reward", model, rows) | {"algorithm": "reward", "reward": None}
    ours = {"config": {"batch_size": 1, "learning_rate": 1e-5}, "steps": steps}
    pairs = k * (k - 1) // 2
    trl = {"arguments": {"per_device_train_batch_size": pairs}, "steps": trl_steps}
    tokens = work["rows"][0]["prompt"] + sum(work["rows"][0]["completions"])
    return duel(work, {"tutelage": ours | {"floor_flops": 6 * work["trunk"] * tokens}}, trl, TRL)


def main() -> None:
    """Both K, between two measurements of the machine."""
    model = "tiny" if parser(__doc__).parse_args().quick else "packaged"
    before = measure_machine()
    figures = {"k4": compare_at(4, model, 3, 3), "k9": compare_at(9, model, 3, 2)}
    machine = max(before, measure_machine(), key=lambda m: m["matrix_gflops"])
    for part in figures.values():
        add_floor_shares(part, machine)
    print(json.dumps({"benchmark": "reward", "model": model, "machine": machine, **figures}))


if __name__ == "__main__":
    main()
