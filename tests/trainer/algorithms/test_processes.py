"""Killed runs end in the same weights bit for bit; two processes compute what one does."""

from __future__ import annotations

import os
import random
import secrets
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from models_service.lm.checkpoint import weights_sha256
from tests.trainer.algorithms.conftest import snapshot_lines, write_lines

ROOT = Path(__file__).parents[3]
SCRIPT = Path(__file__).with_name("stages.py")
STAGES = ("sft", "reward", "ppo", "shared")


def start(folder: Path, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    plain = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(folder), *arguments],
        env=os.environ | plain | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def finish(process: subprocess.Popen[bytes]) -> int:
    output, _ = process.communicate(timeout=300)
    assert process.returncode in (0, -9), output.decode()
    return process.returncode


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, tiny: Path, text: Path) -> Path:
    """A folder that stages.py can start in."""
    folder = tmp_path_factory.mktemp("prepared")
    shutil.copytree(tiny, folder / "base")
    shutil.copy(text, folder / "text.txt")
    lines = snapshot_lines()
    asked = [x for x in lines if x["type"] == "prompt" and x["split"] == "train"]
    # PPO's batches hold a prompt several times, as where prompts are few.
    for number, line in enumerate(asked):
        line["messages"] = asked[number % 3]["messages"]
    write_lines(folder / "snapshot.jsonl", lines)
    return folder


@pytest.fixture(scope="module")
def whole(prepared: Path) -> Path:
    """The three stages, never interrupted."""
    folder = prepared.parent / "whole"
    shutil.copytree(prepared, folder)
    assert finish(start(folder)) == 0
    return folder


def final_state(folder: Path, stage: str) -> Path:
    return folder / "work" / stage / "state-3" / "tensors.safetensors"


def test_killed_again_and_again_it_ends_in_the_same_weights(
    prepared: Path, whole: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "killed"
    shutil.copytree(prepared, folder)
    # While a state of SFT, of the reward model and of PPO is written, before PPO's export, and in
    # PPO on shared trunks: at these events, and at as many more or fewer as chance will have it.
    # The whole has more than forty, so that five deaths come before its end.
    seed = secrets.randbits(32)
    moved = random.Random(seed)
    moments = [max(1, at + moved.randint(-2, 2)) for at in (3, 8, 11, 3, 6)]
    told = f"killed at events {moments}, drawn with seed {seed}"
    for die_at in moments:
        assert finish(start(folder, "--die-at", str(die_at))) == -9, told
    assert finish(start(folder)) == 0, told
    for stage in STAGES:
        assert weights_sha256(folder / stage) == weights_sha256(whole / stage), (stage, told)
    for stage in ("ppo", "shared"):
        one, other = (final_state(f, stage).read_bytes() for f in (folder, whole))
        assert one == other, (stage, told)


@pytest.mark.parametrize("sharded", ["false", "true"])
def test_two_processes_give_the_gradients_of_one(
    prepared: Path, whole: Path, tmp_path: Path, sharded: str
) -> None:
    folder = tmp_path / "pair"
    shutil.copytree(prepared, folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    common = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
    common["ACCELERATE_USE_FSDP"] = sharded
    pair = [start(folder, MASTER_PORT=port, RANK=rank, LOCAL_RANK=rank, **common) for rank in "01"]
    assert [finish(process) for process in pair] == [0, 0]
    for stage in STAGES:
        one, two = (load_file(f / stage / "model.safetensors") for f in (whole, folder))
        base = load_file(whole / "base" / "model.safetensors")
        for name, tensor in one.items():
            torch.testing.assert_close(two[name], tensor, atol=1e-5, rtol=1e-3)
        if stage == "sft":
            assert any((one[n] - base[n]).abs().max() > 1e-3 for n in base)
