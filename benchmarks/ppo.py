"""PPO against TRL 1.12's experimental PPOTrainer: episodes a second at 32 and 64 response tokens.

An iteration is one batch of 16 episodes: sample, score by reference, reward and value model, one
update of policy and value model. Prompts have 22 to 71 tokens; nobody stops early, so all do the
same work. Float32, without PPO-ptx, which TRL does not have. Ours runs twice: with four models
apart, as TRL, and with shared trunks. The floor counts 2 operations a parameter and token forward,
6 in training (4 through a frozen transformer), logits at response positions only, and no padding.
`--response` measures one length alone: each takes some minutes. On a GPU ours also takes the
paper's 512 episodes an iteration.
"""

from __future__ import annotations

import random
from typing import Any

from duel import Arena, best, parser
from environment import TRL_WITH_PPO

EPISODES, PAPER_BATCH = 16, 512
SHORTEST, LONGEST = 22, 71
STEPS = {"cpu": 4, "cuda": 3}


def compare_at(arena: Arena, response: int, episodes: int) -> dict[str, Any]:
    """The contenders with `episodes` responses of `response` tokens, one iteration a step."""
    rng = random.Random(0)
    lengths = [SHORTEST, LONGEST] + [rng.randint(SHORTEST, LONGEST) for _ in range(episodes - 2)]
    # Every iteration sees the same lengths, whatever order a contender reads the prompts in.
    work = arena.prepare("ppo", [{"prompt": n, "completions": [8]} for n in lengths])
    work |= {"algorithm": "ppo", "steps": STEPS[arena.device]}
    ours = {trunk: our_job(work, trunk, response) for trunk in ("separate", "shared")}
    arguments = {
        "per_device_train_batch_size": episodes,
        "gradient_accumulation_steps": 1,
        "local_rollout_forward_batch_size": episodes,
        "response_length": response,
    }
    results = arena.duel(work, ours, {"arguments": arguments}, TRL_WITH_PPO)
    for result in results.values():
        result["seconds_an_episode"] = round(best(result) / episodes, 4)
        result["episodes_a_second"] = round(episodes / best(result), 2)
    return results


def our_job(work: dict[str, Any], trunk: str, response: int) -> dict[str, Any]:
    """Our contender's settings, and its floor."""
    episodes = len(work["rows"])
    config = {
        "iterations": work["steps"] + 1,
        "batch_size": episodes,
        "minibatch_size": episodes,
        "max_response_tokens": response,
        "ptx_coefficient": 0.0,
        "warmup_iterations": 0,
        "tokens_per_micro_batch": work["tokens_a_pass"],
        "trunk": trunk,
    }
    return {"config": config, "never_stop": True, "floor_flops": floor_flops(work, trunk, response)}


def floor_flops(work: dict[str, Any], trunk: str, response: int) -> float:
    """Operations of an iteration.

    Apart: sampling, three frozen passes, two models trained whole. Shared: sampling, two frozen
    passes, and the policy forward and backward through frozen weights. A response's last token is
    read by the reward model alone.
    """
    episodes = len(work["rows"])
    prompts = sum(row["prompt"] for row in work["rows"])
    tokens = work["trunk"] * (prompts + episodes * (response - 1))
    logits = work["unembedding"] * episodes * response
    sampling = reference = 2 * (tokens + logits)
    reward = 2 * (tokens + work["trunk"] * episodes)
    if trunk == "shared":
        return sampling + reference + reward + 4 * (tokens + logits)
    return sampling + reference + reward + 2 * tokens + 6 * (2 * tokens + logits)


def main() -> None:
    """Both lengths of response, between two measurements of the machine."""
    options = parser(__doc__)
    options.add_argument("--response", type=int, help="tokens of a response; default 32, then 64")
    chosen = options.parse_args()
    arena = Arena.chosen(chosen)
    lengths = [chosen.response] if chosen.response else [8] if chosen.quick else [32, 64]
    sizes = {f"tokens{length}": (length, EPISODES) for length in lengths}
    if arena.device == "cuda":
        sizes[f"tokens{lengths[-1]}_batch{PAPER_BATCH}"] = (lengths[-1], PAPER_BATCH)
    arena.report("ppo", lambda: {name: compare_at(arena, *size) for name, size in sizes.items()})


if __name__ == "__main__":
    main()
