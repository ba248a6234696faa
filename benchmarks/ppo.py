"""PPO against TRL 1.12's experimental PPOTrainer: episodes a second at 32 and 64 response tokens.

An iteration is one batch of 16 episodes: sample, score by reference, reward and value model, one
update of policy and value model. Prompts have 22 to 71 tokens; nobody stops early, so all do the
same work. Float32, without PPO-ptx, which TRL does not have. Ours runs twice: with four models
apart, as TRL, and with shared trunks. The floor counts 2 operations a parameter and token forward,
6 in training (4 through a frozen transformer), logits at response positions only, and no padding.
`--response` measures one length alone: each takes some minutes.
"""

from __future__ import annotations

import json
import random
from typing import Any

from duel import add_floor_shares, best, duel, parser, prepare
from environment import TRL_WITH_PPO
from machine import measure_machine

EPISODES = 16
SHORTEST, LONGEST = 22, 71
STEPS = 2
TOKENS = 512  # ours a pass; more takes more memory


def compare_at(response: int, model: str) -> dict[str, Any]:
    """The contenders with responses of `response` tokens, one iteration a step."""
    rng = random.Random(0)
    lengths = [SHORTEST, LONGEST] + [rng.randint(SHORTEST, LONGEST) for _ in range(EPISODES - 2)]
    # Every iteration sees the same lengths, whatever order a contender reads the prompts in.
    work = prepare("ppo", model, [{"prompt": n, "completions": [8]} for n in lengths])
    work |= {"algorithm": "ppo", "steps": STEPS}
    ours = {trunk: our_job(work, trunk, response) for trunk in ("separate", "shared")}
    arguments = {
        "per_device_train_batch_size": EPISODES, "gradient_accumulation_steps": 1,
        "local_rollout_forward_batch_size": EPISODES, "response_length": response,
    }  # fmt: skip
    results = duel(work, ours, {"arguments": arguments}, TRL_WITH_PPO)
    for result in results.values():
        result["seconds_an_episode"] = round(best(result) / EPISODES, 3)
    return results


def our_job(work: dict[str, Any], trunk: str, response: int) -> dict[str, Any]:
    """Our contender's settings, and its floor."""
    config = {
        "iterations": STEPS + 1, "batch_size": EPISODES, "minibatch_size": EPISODES,
        "max_response_tokens": response, "ptx_coefficient": 0.0, "warmup_iterations": 0,
        "tokens_per_micro_batch": TOKENS, "trunk": trunk,
    }  # fmt: skip
    return {"config": config, "never_stop": True, "floor_flops": floor_flops(work, trunk, response)}


def floor_flops(work: dict[str, Any], trunk: str, response: int) -> float:
    """Operations of an iteration.

    Apart: sampling, three frozen passes, two models trained whole. Shared: sampling, two frozen
    passes, and the policy forward and backward through frozen weights.
    """
    prompts = sum(row["prompt"] for row in work["rows"])
    tokens = work["trunk"] * (prompts + EPISODES * response)
    logits = work["unembedding"] * EPISODES * response
    sampling = 2 * (tokens + logits)
    if trunk == "shared":
        return sampling + 2 * (2 * tokens + logits) + 4 * (tokens + logits)
    return sampling + 2 * (3 * tokens + logits) + 6 * (2 * tokens + logits)


def main() -> None:
    """Both lengths of response, between two measurements of the machine."""
    options = parser(__doc__)
    options.add_argument("--response", type=int, help="tokens of a response; default 32, then 64")
    chosen = options.parse_args()
    model, lengths = ("tiny", [8]) if chosen.quick else ("packaged", [32, 64])
    before = measure_machine()
    lengths = [chosen.response] if chosen.response else lengths
    figures = {f"tokens{length}": compare_at(length, model) for length in lengths}
    machine = max(before, measure_machine(), key=lambda m: m["matrix_gflops"])
    for part in figures.values():
        add_floor_shares(part, machine)
    print(json.dumps({"benchmark": "ppo", "model": model, "machine": machine, **figures}))


if __name__ == "__main__":
    main()
