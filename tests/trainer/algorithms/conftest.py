"""What the algorithms' tests share: a tiny model, a small snapshot, a reporter that remembers."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from models_service.lm.checkpoint import load_policy, save_reward
from models_service.lm.generation import Sampling
from models_service.lm.heads import ScalarModel
from models_service.lm.tiny import write_tiny_checkpoint
from trainer.algorithms import ppo
from trainer.algorithms.contract import Result, Starts
from trainer.algorithms.episodes import Episodes, sample_episodes
from trainer.algorithms.settings import PPOConfig

PPO_OPTIONS: dict[str, Any] = {
    "iterations": 4,
    "batch_size": 8,
    "minibatch_size": 4,
    "learning_rate": 1e-3,
    "value_learning_rate": 1e-3,
    "warmup_iterations": 2,
    "max_prompt_tokens": 64,
    "max_response_tokens": 12,
    "ptx_coefficient": 0.5,
    "ptx_examples_per_episode": 1,
    "ptx_tokens": 8,
    "ema_decay": 0.9,
    "evaluate_every": 2,
    "eval_prompts": 4,
    "checkpoint_every": 2,
}
PAD, STOP = 0, 1
WORDS = ("red", "green", "blue", "cat", "dog", "sun", "moon", "tree")


@dataclass
class Recorder:
    """A reporter that keeps everything and asks to stop once `stop_after` steps are reported."""

    stop_after: int | None = None
    steps: list[tuple[int, int, dict[str, float]]] = field(default_factory=list)
    samples: list[tuple[int, list[dict[str, Any]]]] = field(default_factory=list)

    def metrics(self, step: int, total: int, values: Mapping[str, float]) -> None:
        if self.steps and self.steps[-1][0] == step:  # told in parts, joined as in the database
            self.steps[-1][2].update(values)
        else:
            self.steps.append((step, total, dict(values)))

    def sample(self, step: int, rows: list[dict[str, Any]]) -> None:
        self.samples.append((step, rows))

    def should_stop(self) -> bool:
        return self.stop_after is not None and len(self.steps) >= self.stop_after

    def series(self, name: str) -> list[float]:
        return [values[name] for _, _, values in self.steps if name in values]


def snapshot_lines(count: int = 24, seed: int = 0) -> list[dict[str, Any]]:
    """Prompts, demonstrations and rankings of a labeler who likes cats; every fourth held out."""
    rng = random.Random(seed)

    def say(words: int) -> str:
        return " ".join(rng.choice(WORDS) for _ in range(words))

    lines: list[dict[str, Any]] = []
    for i in range(count):
        split = "validation" if i % 4 == 3 else "train"
        common = {"split": split, "messages": [{"role": "user", "content": say(3)}]}
        who = {"labeler": "ada", "group": "training"}
        completions = [say(rng.randint(1, 5)) for _ in range(4)]
        ranks = [1 + max(0, 2 - text.count("cat")) for text in completions]
        lines += [
            {"type": "prompt", "id": f"p{i}", **common},
            {"type": "demonstration", "id": f"d{i}", "response": say(4), **common, **who},
            {
                "type": "ranking",
                "id": f"r{i}",
                "completions": completions,
                "ranks": ranks,
                **common,
                **who,
            },
        ]
        if split == "validation":
            lines.append({**lines[-1], "id": f"h{i}", "labeler": "bob", "group": "held_out"})
    return lines


def write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    """A snapshot file."""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    write_tiny_checkpoint(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_reward(tiny: Path) -> Path:
    """An untrained reward model on the tiny model's trunk."""
    policy, tokenizer = load_policy(tiny)
    folder = tiny.parent / "reward"
    save_reward(ScalarModel.from_policy(policy, seed=3), tokenizer, folder)
    return folder


@pytest.fixture(scope="session")
def foreign_reward(tiny: Path) -> Path:
    """A reward model of another family: one token more, and so another vocabulary."""
    policy, tokenizer = load_policy(tiny)
    tokenizer.add_tokens(["zebra"])
    folder = tiny.parent / "foreign"
    save_reward(ScalarModel.from_policy(policy), tokenizer, folder)
    return folder


@pytest.fixture
def write_snapshot(tmp_path: Path) -> Callable[[list[dict[str, Any]]], Path]:
    def write(lines: list[dict[str, Any]]) -> Path:
        path = tmp_path / "snapshot.jsonl"
        write_lines(path, lines)
        return path

    return write


@pytest.fixture
def lines() -> list[dict[str, Any]]:
    return snapshot_lines()


@pytest.fixture
def snapshot(
    write_snapshot: Callable[[list[dict[str, Any]]], Path], lines: list[dict[str, Any]]
) -> Path:
    return write_snapshot(lines)


@pytest.fixture(scope="session")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some pretraining text; what Python brings along takes half a second to tokenise."""
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("It is a truth universally acknowledged, that a cat must be fed. " * 20)
    return path


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def make_recorder() -> type[Recorder]:
    return Recorder


@pytest.fixture
def run_ppo(
    tiny: Path, tiny_reward: Path, snapshot: Path, text: Path, tmp_path: Path, recorder: Recorder
) -> Callable[..., Result]:
    """PPO on the small snapshot, in a folder of its own by name."""

    def run(
        name: str = "a", report: Recorder = recorder, start: Starts | None = None, **options: Any
    ) -> Result:
        return ppo.train(
            PPOConfig.from_dict(PPO_OPTIONS | options),
            snapshot=snapshot,
            start=start or Starts(tiny, tiny_reward),
            out=tmp_path / name / "out",
            work=tmp_path / name / "work",
            report=report,
            pretraining_text=text,
        )

    return run


@pytest.fixture
def episodes(tiny: Path) -> Episodes:
    policy, _ = load_policy(tiny)
    prompts = [[5, 9, 20], [7], [30, 31, 32, 33, 34, 35], [8, 8], [90, 91, 92]]
    return sample_episodes(policy, prompts, Sampling(9, 1.0, 4, (STOP,), PAD))
