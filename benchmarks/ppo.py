"""PPO against TRL 1.12's experimental PPOTrainer: episodes a second at 32 and 64 response tokens.

An iteration is one batch of 16 episodes: sample, score by reference, reward and value model, one
update of policy and value model. Prompts have 22 to 71 tokens; nobody stops early, so both do the
same work. Four models apart, float32. Without PPO-ptx, which TRL does not have. The floor counts 2
operations a parameter and token forward, 6 in training, logits at response positions only, and no
padding.
"""

from __future__ import annotations

import json
import random
from typing import Any

from duel import add_floor_shares, duel, prepare, quick_option
from environment import TRL_WITH_PPO
from machine import measure_machine

EPISODES = 16
SHORTEST, LONGEST = 22, 71
STEPS = 2
TOKENS = 1024  # ours a pass: as fast as more, in far less memory


def compare_at(response: int, model: str) -> dict[str, Any]:
    """Both contenders with responses of `response` tokens, one iteration a step."""
    rng = random.Random(0)
    lengths = [SHORTEST, LONGEST] + [rng.randint(SHORTEST, LONGEST) for _ in range(EPISODES - 2)]
    # Every iteration sees the same lengths, whatever order a contender reads the prompts in.
    work = prepare("ppo", model, [{"prompt": n, "completions": [8]} for n in lengths])
    config = {
        "iterations": STEPS + 1, "batch_size": EPISODES, "minibatch_size": EPISODES,
        "max_response_tokens": response, "ptx_coefficient": 0.0, "warmup_iterations": 0,
        "tokens_per_micro_batch": TOKENS,
    }  # fmt: skip
    arguments = {
        "per_device_train_batch_size": EPISODES, "gradient_accumulation_steps": 1,
        "local_rollout_forward_batch_size": EPISODES, "response_length": response,
    }  # fmt: skip
    work |= {"algorithm": "ppo", "steps": STEPS}
    ours = {"config": config, "never_stop": True}
    flops = floor_flops(work, response)
    figures = duel(work, ours, {"arguments": arguments}, TRL_WITH_PPO, flops)
    return figures | {"seconds_an_episode": seconds_an_episode(figures)}


def seconds_an_episode(figures: dict[str, Any]) -> dict[str, float]:
    """Seconds of the fastest iteration over its episodes."""
    return {
        name: round(min(step["seconds"] for step in figures[name]["steps"]) / EPISODES, 3)
        for name in ("tutelage", "trl")
    }


def floor_flops(work: dict[str, Any], response: int) -> float:
    """Operations of an iteration: policy sampling, three frozen passes, two trained models."""
    prompts = sum(row["prompt"] for row in work["rows"])
    trunk = work["trunk"] * (prompts + EPISODES * response)
    logits = work["unembedding"] * EPISODES * response
    sampling, scoring = 2 * (trunk + logits), 2 * (3 * trunk + logits)
    return sampling + scoring + 6 * (2 * trunk + logits)


def main() -> None:
    """Both lengths of response, between two measurements of the machine."""
    quick = quick_option(__doc__ or "")
    model, lengths = ("tiny", (8,)) if quick else ("packaged", (32, 64))
    before = measure_machine()
    figures = {f"tokens{length}": compare_at(length, model) for length in lengths}
    machine = max(before, measure_machine(), key=lambda m: m["matrix_gflops"])
    for part in figures.values():
        add_floor_shares(part, machine)
    print(json.dumps({"benchmark": "ppo", "model": model, "machine": machine, **figures}))


if __name__ == "__main__":
    main()
