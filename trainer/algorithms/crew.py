"""The processes that train together: one alone, or several started by `accelerate launch`.

Every process knows the whole batch and works on its share of it; gradients are summed once a
step. Losses are divided by the token count of the whole minibatch, so the sum over processes is
exactly what one process alone would compute. Weights are whole in every process; sharding them
(FSDP, DeepSpeed) is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list, gather_object
from torch import Tensor, nn

T = TypeVar("T")


class Crew:
    """This process among its fellows, and the device it computes on."""

    def __init__(self) -> None:
        # Without cpu=True processes that have no GPU do not find each other.
        self._state = PartialState(cpu=not torch.cuda.is_available())
        self.device: torch.device = self._state.device
        self.size: int = self._state.num_processes
        self.is_first: bool = self._state.is_main_process

    def share(self, items: Sequence[T]) -> list[T]:
        """The items this process works on: every `size`-th."""
        return list(items[self._state.process_index :: self.size])

    def gather(self, shares: list[T]) -> list[T]:
        """All processes' results in the order of the items that were shared out."""
        if self.size == 1:
            return shares
        parts: list[list[T]] = gather_object([shares])
        longest = max(map(len, parts))
        return [part[i] for i in range(longest) for part in parts if i < len(part)]

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Add up the gradients of all processes, in place."""
        if self.size == 1:
            return
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            torch.distributed.all_reduce(parameter.grad)

    def total(self, values: Tensor) -> Tensor:
        """Sum of a tensor over all processes."""
        if self.size > 1:
            torch.distributed.all_reduce(values)
        return values

    def agree(self, value: T) -> T:
        """The first process's value, in every process."""
        values: list[Any] = [value]
        if self.size > 1:
            broadcast_object_list(values)
        return values[0]

    def wait(self) -> None:
        """Return once every process is here."""
        self._state.wait_for_everyone()

    def autocast(self) -> AbstractContextManager[Any]:
        """bfloat16 arithmetic over float32 weights on a GPU; nothing on a CPU."""
        if self.device.type == "cuda":
            return torch.autocast("cuda", dtype=torch.bfloat16)
        return nullcontext()
