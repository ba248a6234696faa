"""Run as a script by the tests that need processes of their own: all three stages on a tiny model,
PPO on separate and on shared trunks.

    python stages.py FOLDER [--die-at N]

Every event (a step reported, a file of a state written) is counted; at event N the process is
killed with SIGKILL. FOLDER holds snapshot.jsonl, text.txt and the tiny model in base/.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from trainer.algorithms import ppo, resume, reward, sft
from trainer.algorithms.contract import Starts
from trainer.algorithms.distributed.group import Crew

# With ε = 1 the first step of Adam is all but the gradient itself, so that equal weights after
# one step mean equal gradients.
SFT = {"epochs": 2, "batch_size": 9, "checkpoint_every": 1, "adam_epsilon": 1.0}
REWARD = {"batch_size": 5, "checkpoint_every": 2, "adam_epsilon": 1.0}
PPO = {
    "iterations": 3, "batch_size": 7, "minibatch_size": 4, "checkpoint_every": 1,
    "max_response_tokens": 8, "ptx_examples_per_episode": 1, "ptx_tokens": 8,
    "adaptive_kl": True, "evaluate_every": 2, "eval_prompts": 3, "adam_epsilon": 1.0,
    "ema_decay": 0.5, "keep_states": 5,
}  # fmt: skip
RATE = {"learning_rate": 0.5, "tokens_per_micro_batch": 150}


class Killer:
    """A reporter that counts events and dies at one of them."""

    def __init__(self, die_at: int | None) -> None:
        self.left = die_at

    def event(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def metrics(self, step: int, total: int, values: Mapping[str, float]) -> None:
        self.event()

    def sample(self, step: int, rows: list[dict[str, Any]]) -> None:
        pass

    def should_stop(self) -> bool:
        return False


def die_half_way_through_writing(killer: Killer) -> None:
    """Make the death possible between the first half of a state's file and its second."""
    write = resume.save_file

    def save_file(tensors: dict[str, torch.Tensor], path: Path) -> None:
        write(tensors, path)
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        killer.event()
        path.write_bytes(content)

    resume.save_file = save_file


def main(folder: Path, die_at: int | None) -> None:
    torch.set_num_threads(1)
    assert Crew().size == int(os.environ.get("WORLD_SIZE", "1")), "the processes are strangers"
    killer = Killer(die_at)
    die_half_way_through_writing(killer)
    common = {"snapshot": folder / "snapshot.jsonl", "report": killer}
    text = {"pretraining_text": folder / "text.txt"}

    def places(name: str) -> dict[str, Path]:
        return {"out": folder / name, "work": folder / "work" / name}

    start = Starts(folder / "base")
    if not (folder / "sft").exists():
        sft.train(sft.SFTConfig(**SFT, **RATE), start=start, **places("sft"), **common, **text)
    if not (folder / "reward").exists():
        config = reward.RewardConfig(**REWARD, **RATE)
        reward.train(config, start=Starts(folder / "sft"), **places("reward"), **common)
    start = Starts(folder / "sft", folder / "reward")
    config = ppo.PPOConfig(**PPO, **RATE, value_learning_rate=0.5)
    if not (folder / "ppo").exists():
        ppo.train(config, start=start, **places("ppo"), **common, **text)
    config = replace(config, trunk="shared", lora_rank=4)
    ppo.train(config, start=start, **places("shared"), **common, **text)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[3]) if len(sys.argv) > 3 else None)
