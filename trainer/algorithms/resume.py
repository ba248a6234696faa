"""The states a run writes while it works, and how a new process takes the run up again exactly.

A state is a folder `state-<step>` of one safetensors file and one JSON file, written whole or not
at all; nothing in it is ever unpickled. Random numbers and learning rates need no state (see
`seeds` and `schedules`); weights, optimizer moments, averages, β and choices made do.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from models_service.lm.checkpoint import weights_sha256, write_folder
from trainer.algorithms.contract import Starts, TrainingError
from trainer.algorithms.distributed.sharding import alike
from trainer.algorithms.optimize import trained

logger = logging.getLogger(__name__)

TENSORS, VALUES = "tensors.safetensors", "state.json"
STATE_NAME = re.compile(r"state-(\d+)")
# What a state holds and how its run is named. It is raised when an older state cannot be gone on
# from: the stage that was under way during an upgrade then begins anew.
FORM = 2


@dataclass(frozen=True)
class State:
    """Everything a run needs to go on after `step` steps."""

    step: int
    tensors: dict[str, Tensor]
    values: dict[str, Any]


def fingerprint(algorithm: str, config: Mapping[str, Any], start: Starts, *inputs: str) -> str:
    """Names a run: a state is only taken up by the run that wrote it.

    The start counts by its weights, since other ones may lie in the same folder by now (hashing
    takes about two seconds a gigabyte). Raises CheckpointError.
    """
    weights = {name: weights_sha256(folder) for name, folder in vars(start).items() if folder}
    # Sorted: settings come from a database's JSON, which keeps no order.
    text = json.dumps([algorithm, config, weights, inputs], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


class States:
    """The state folders under `work`, the newest `keep` of them."""

    def __init__(self, work: Path, run: str, keep: int) -> None:
        self.work = work
        self.run = run
        self.keep = keep

    def save(self, step: int, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        """Write the state after `step` steps; older ones go once it is safely on disk."""
        # A state with NaN would be taken up again and again; the one before it is still good.
        _require_finite(step, tensors)
        folder = self.work / f"state-{step}"
        # On the CPU, so that a GPU's state can be taken up by a machine without one.
        plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        record = {"form": FORM, "run": self.run, "step": step, "values": dict(values)}
        with writing(folder), write_folder(folder) as new:
            save_file(plain, new / TENSORS)
            (new / VALUES).write_text(json.dumps(record, indent=2))
        # After the new one is there under its final name: a kill at any moment leaves at least one.
        for _, old in self._folders()[self.keep :]:
            shutil.rmtree(old, ignore_errors=True)

    def latest(self) -> State | None:
        """The newest state that can be read, or None for a run that has none; states of an earlier
        version's form are removed.

        Raises TrainingError when the states belong to a run with other settings, data or start.
        """
        # What a kill left while writing is never read, but as large as a model, and after some
        # kills the disk would be full.
        for folder in self.work.glob(".*"):
            shutil.rmtree(folder, ignore_errors=True)
        for step, folder in self._folders():
            state = self._read(step, folder)
            if state is not None:
                return state
        return None

    def _folders(self) -> list[tuple[int, Path]]:
        entries = list(self.work.iterdir()) if self.work.is_dir() else []
        found = [(STATE_NAME.fullmatch(p.name), p) for p in entries]
        # By number: as text state-9 would come after state-10.
        return sorted(((int(m[1]), p) for m, p in found if m), reverse=True)

    def _read(self, step: int, folder: Path) -> State | None:
        try:
            record = json.loads((folder / VALUES).read_text())
            if record.get("form") != FORM:
                raise ValueError("an earlier version of the program wrote it")
            tensors = load_file(folder / TENSORS)
        except (OSError, ValueError, SafetensorError) as error:
            logger.warning(
                "The state %s cannot be gone on from (%s). The one before it is taken up; where "
                "there is none, the stage begins anew.",
                folder,
                error,
            )
            # Left there it would count as the newest, and new states be pruned in its favour.
            shutil.rmtree(folder, ignore_errors=True)
            return None
        # An error, and not a start from nothing: somebody changed what a run depends on while it
        # was under way, and its hours of work must not be overwritten without a word.
        if record["run"] != self.run:
            raise TrainingError(
                f"{folder} was written with other settings, another snapshot or other weights to "
                "start from. Retry from the stage's beginning, or empty that folder."
            )
        return State(step, tensors, record["values"])


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn a failure to write a state or checkpoint into a TrainingError that says what to do."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise TrainingError(
            f"{folder} could not be written ({error}). Free some space and start the run again; "
            "it goes on from its last state."
        ) from error


def _require_finite(step: int, tensors: Mapping[str, Tensor]) -> None:
    broken = [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise TrainingError(
            f"After step {step} {broken[0]} is not a finite number. Lower the learning rate and "
            "start again; the last saved checkpoint is intact."
        )


def module_tensors(name: str, module: nn.Module) -> dict[str, Tensor]:
    """A module's trained parameters under `name/`, tied ones once."""
    # What is frozen lies in the start's checkpoint, whose weights are in the run's name.
    # named_parameters gives tied weights once, which safetensors asks for.
    return {f"{name}/{key}": parameter for key, parameter in trained(module).items()}


@torch.no_grad()
def restore_module(name: str, module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Put saved parameters back, exactly."""
    for key, parameter in trained(module).items():
        # KeyError where a tensor is missing: half a state must not be gone on from.
        parameter.copy_(alike(tensors[f"{name}/{key}"], parameter))


def optimizer_tensors(name: str, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Adam's moments and step counts under `name/<parameter number>/`."""
    return {
        f"{name}/{index}/{key}": value
        # By number, for optimizers know no names; the order is that of the module's parameters, and
        # part of the run's code.
        for index, parameter in enumerate(_parameters(optimizer))
        for key, value in optimizer.state[parameter].items()
    }


def restore_optimizer(
    name: str, optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]
) -> None:
    """Put Adam's saved moments and step counts back, exactly."""
    for index, parameter in enumerate(_parameters(optimizer)):
        prefix = f"{name}/{index}/"
        # Into the state itself, for load_state_dict wants parameter groups too, with the learning
        # rate that the trainer sets. Adam's step count is among them: its bias correction depends
        # on it.
        optimizer.state[parameter] = {
            key.removeprefix(prefix): alike(value, parameter)
            for key, value in tensors.items()
            if key.startswith(prefix)
        }


def _parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
