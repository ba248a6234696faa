"""States are whole or absent, belong to one run, and restore exactly."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from tests.trainer.algorithms.conftest import Recorder
from trainer.algorithms import loop, resume
from trainer.algorithms.contract import Starts, TrainingError
from trainer.algorithms.distributed.group import Crew
from trainer.algorithms.optimize import adam, update
from trainer.algorithms.resume import States


def folders(work: Path) -> list[str]:
    return sorted(path.name for path in work.iterdir())


def test_the_last_k_are_kept_and_the_newest_is_taken_up(tmp_path: Path) -> None:
    states = States(tmp_path, "run", keep=2)
    for step in (1, 9, 10):
        states.save(step, {"x": torch.tensor([float(step)])}, {"beta": step / 3})
    assert folders(tmp_path) == ["state-10", "state-9"]
    state = states.latest()
    assert state is not None
    assert (state.step, state.tensors["x"].item(), state.values) == (10, 10.0, {"beta": 10 / 3})


def test_a_half_written_state_is_never_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = States(tmp_path, "run", keep=2)
    states.save(1, {"x": torch.ones(1)}, {})

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(resume, "save_file", full)
    with pytest.raises(TrainingError, match=r"No space left.*Free some space"):
        states.save(2, {"x": torch.ones(1)}, {})
    (tmp_path / ".state-3.cut.new").mkdir()
    state = states.latest()
    assert state is not None and state.step == 1
    assert folders(tmp_path) == ["state-1"]


@pytest.mark.parametrize("damage", ["truncate", "remove"])
def test_a_damaged_state_gives_way_to_the_one_before(tmp_path: Path, damage: str) -> None:
    states = States(tmp_path, "run", keep=2)
    for step in (1, 2):
        states.save(step, {"x": torch.ones(100)}, {})
    newest = tmp_path / "state-2" / resume.TENSORS
    if damage == "truncate":
        newest.write_bytes(newest.read_bytes()[:-40])
    else:
        newest.unlink()
    state = states.latest()
    assert state is not None and state.step == 1
    shutil.rmtree(tmp_path / "state-1")
    assert states.latest() is None


def test_a_damaged_state_does_not_outlive_the_good_ones(tmp_path: Path) -> None:
    states = States(tmp_path, "run", keep=1)
    states.save(50, {"x": torch.ones(1)}, {})
    (tmp_path / "state-50" / resume.TENSORS).write_bytes(b"")
    assert states.latest() is None
    states.save(4, {"x": torch.ones(1)}, {})
    assert folders(tmp_path) == ["state-4"]


def test_a_state_of_another_run_is_refused(tiny: Path, tmp_path: Path) -> None:
    def states(seed: int, data: str, *start: Path) -> States:
        name = resume.fingerprint("sft", {"seed": seed}, Starts(*start), data)
        return States(tmp_path, name, 1)

    states(0, "abc", tiny).save(1, {}, {})
    assert states(0, "abc", tiny).latest() is not None
    for other in (states(1, "abc", tiny), states(0, "abd", tiny), states(0, "abc", tiny, tiny)):
        with pytest.raises(TrainingError, match=r"other settings.*Retry from the stage's"):
            other.latest()


def test_a_fingerprint_names_the_start_s_weights(tiny: Path, tmp_path: Path) -> None:
    moved, changed = tmp_path / "moved", tmp_path / "changed"
    for folder in (moved, changed):
        shutil.copytree(tiny, folder)
    weights = load_file(changed / "model.safetensors")
    next(iter(weights.values())).view(-1)[7] += 1e-4
    save_file(weights, changed / "model.safetensors")

    def name(policy: Path, reward: Path | None = None) -> str:
        return resume.fingerprint("ppo", {}, Starts(policy, reward))

    assert name(moved, moved) == name(tiny, tiny), "where it lies makes no difference"
    named = {name(tiny), name(changed), name(tiny, tiny), name(tiny, changed), name(changed, tiny)}
    assert len(named) == 5


def test_a_state_of_an_earlier_version_makes_the_run_begin_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    states = States(tmp_path, "run", keep=2)
    states.save(7, {"x": torch.ones(1)}, {})
    record = json.loads((tmp_path / "state-7" / resume.VALUES).read_text())
    del record["form"]
    (tmp_path / "state-7" / resume.VALUES).write_text(json.dumps({**record, "run": "old name"}))
    assert states.latest() is None
    assert "the stage begins anew" in caplog.text
    states.save(2, {"x": torch.ones(1)}, {})
    assert folders(tmp_path) == ["state-2"]


def test_weights_that_are_no_numbers_are_never_saved(tmp_path: Path) -> None:
    states = States(tmp_path, "run", keep=1)
    states.save(1, {"x": torch.ones(1)}, {})
    with pytest.raises(TrainingError, match="not a finite number"):
        states.save(2, {"x": torch.tensor([float("nan")])}, {})
    assert folders(tmp_path) == ["state-1"]


def test_a_restored_optimizer_continues_bit_for_bit(tmp_path: Path) -> None:
    def work(model: nn.Module, optimizer: torch.optim.Optimizer, steps: range) -> None:
        for step in steps:
            optimizer.param_groups[0]["lr"] = 0.1 / (step + 1)
            x = torch.randn(4, 3, generator=torch.Generator().manual_seed(step))
            model(x).square().sum().backward()
            update(optimizer, 1.0, Crew())

    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    optimizer = adam(model, 1e-5)
    work(model, optimizer, range(3))
    tensors = resume.module_tensors("m", model) | resume.optimizer_tensors("o", optimizer)
    states = States(tmp_path, "run", keep=1)
    states.save(3, tensors, {})
    work(model, optimizer, range(3, 6))
    other = nn.Linear(3, 2)
    other_optimizer = adam(other, 1e-5)
    state = states.latest()
    assert state is not None
    resume.restore_module("m", other, state.tensors)
    resume.restore_optimizer("o", other_optimizer, state.tensors)
    work(other, other_optimizer, range(3, 6))
    assert torch.equal(model.weight, other.weight)
    assert torch.equal(model.bias, other.bias)


def test_adam_equals_its_definition() -> None:
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 1.0)
    optimizer = adam(model, epsilon=0.1)
    weight, m, v = 1.0, 0.0, 0.0
    for t, gradient in enumerate([0.5, -0.25, 0.125], start=1):
        optimizer.param_groups[0]["lr"] = 0.01
        model.weight.grad = torch.tensor([[gradient]])
        update(optimizer, 0.0, Crew())
        m, v = 0.9 * m + 0.1 * gradient, 0.95 * v + 0.05 * gradient**2
        step = (m / (1 - 0.9**t)) / ((v / (1 - 0.95**t)) ** 0.5 + 0.1)
        weight -= 0.01 * step
        assert model.weight.item() == pytest.approx(weight, rel=1e-6)


def test_a_gradient_that_is_no_number_stops_the_run_with_the_weights_untouched() -> None:
    model = nn.Linear(1, 1, bias=False)
    before = model.weight.clone()
    model.weight.grad = torch.tensor([[float("nan")]])
    with pytest.raises(TrainingError, match=r"Lower the learning rate.*intact"):
        update(adam(model, 1e-8), 1.0, Crew())
    assert torch.equal(model.weight, before)


class Counting:
    """A job whose whole state is how often it stepped."""

    total, done = 3, False

    def __init__(self) -> None:
        self.clock = loop.Clock()

    def step(self, step: int) -> dict[str, float]:
        return {"loss": float(step)}

    def tensors(self) -> dict[str, torch.Tensor]:
        return {"x": torch.ones(1)}

    def values(self) -> dict[str, Any]:
        return {}

    def restore(self, state: resume.State) -> None: ...


class Killed(States):
    """States whose process dies right after one of them is on disk."""

    def save(self, step: int, *content: Any) -> None:
        super().save(step, *content)
        if step == 2:
            raise KeyboardInterrupt


def test_a_run_killed_after_saving_has_reported_the_step(tmp_path: Path) -> None:
    report = Recorder()
    with pytest.raises(KeyboardInterrupt):
        loop.run(Counting(), Killed(tmp_path, "run", 2), report, every=1, crew=Crew())
    loop.run(Counting(), States(tmp_path, "run", 2), report, every=1, crew=Crew())
    assert [step for step, _, values in report.steps if "loss" in values] == [1, 2, 3]
    assert all(time >= 0 for time in report.series("time/checkpoint"))
