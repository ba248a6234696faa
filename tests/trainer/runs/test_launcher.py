"""Training in processes of their own: the same weights, its news, its end, its failures."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from django.conf import settings
from safetensors.torch import load_file

from models_service.lm.tiny import write_tiny_checkpoint
from tests.trainer.algorithms.conftest import Recorder, snapshot_lines, write_lines
from trainer.algorithms.contract import TrainingError
from trainer.algorithms.distributed.job import Job
from trainer.runs.launcher import LaunchError, launch

# Small learning steps whose size tells the gradient's; see tests/trainer/algorithms/stages.py.
SFT = {"epochs": 1, "batch_size": 9, "learning_rate": 0.5, "adam_epsilon": 1.0,
       "tokens_per_micro_batch": 150, "checkpoint_every": 1, "max_prompt_tokens": 512,
       "max_response_tokens": 64}  # fmt: skip


@pytest.fixture
def job(tmp_path: Path) -> Callable[..., Job]:
    """Supervised fine-tuning of the tiny model, in a folder by name."""
    write_tiny_checkpoint(tmp_path / "base")
    write_lines(tmp_path / "snapshot.jsonl", snapshot_lines())

    def make(name: str, **changes: Any) -> Job:
        return Job(
            stage="sft",
            settings=SFT | changes,
            snapshot=str(tmp_path / "snapshot.jsonl"),
            start={"policy": str(tmp_path / "base")},
            out=str(tmp_path / name / "out"),
            work=str(tmp_path / name / "work"),
        )

    return make


@pytest.fixture(autouse=True)
def _cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}.items():
        monkeypatch.setitem(os.environ, name, value)


def weights(job: Job) -> dict[str, torch.Tensor]:
    return load_file(Path(job.out) / "model.safetensors")


def test_two_processes_with_sharded_weights_give_what_one_gives(
    job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone, news = job("alone"), Recorder()
    result = alone.do(Recorder())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launcher = f"torchrun --nproc_per_node 2 --master_port {port}"
    monkeypatch.setitem(os.environ, "ACCELERATE_USE_FSDP", "true")
    pair = job("pair")
    launched = launch(pair, news, launcher, settings.BASE_DIR)
    assert (launched.steps, launched.stopped) == (result.steps, False)
    assert launched.metrics == pytest.approx(result.metrics, rel=1e-3)
    assert [step for step, _, _ in news.steps] == list(range(1, result.steps + 1))
    for name, tensor in weights(alone).items():
        torch.testing.assert_close(weights(pair)[name], tensor, atol=1e-5, rtol=1e-3)


def test_it_stops_when_asked_and_says_why_it_failed(job: Callable[..., Job]) -> None:
    stopped = launch(job("a", epochs=9), Recorder(stop_after=1), sys.executable, settings.BASE_DIR)
    assert stopped.stopped and 1 <= stopped.steps < 18
    with pytest.raises(TrainingError, match="no demonstration to learn from"):
        launch(job("b", max_prompt_tokens=1), Recorder(), sys.executable, settings.BASE_DIR)


def test_processes_that_die_leave_their_last_words(job: Callable[..., Job]) -> None:
    broken = replace(job("a"), stage="alchemy")
    with pytest.raises(LaunchError, match=r"ended with code 1.*KeyError: 'alchemy'"):
        launch(broken, Recorder(), sys.executable, settings.BASE_DIR)
