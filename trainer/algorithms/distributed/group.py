"""The processes that train together: one alone, or several started by `accelerate launch`.

Every process knows the whole batch and works on its share of it; gradients are summed once a
step. Losses are divided by the token count of the whole minibatch, so the sum over processes is
exactly what one process alone would compute. Weights are whole in every process, or, where
`accelerate` is configured for FSDP, their blocks are sharded (docs/distributed.md).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list, gather_object, parse_flag_from_env
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh

from models_service.lm.norms import lean_norms
from trainer.algorithms.contract import TrainingError
from trainer.algorithms.distributed import sharding

T = TypeVar("T")
M = TypeVar("M", bound=nn.Module)


class Crew:
    """This process among its fellows, and the device it computes on."""

    def __init__(self) -> None:
        # What `repeatable` needs of cuBLAS, which reads it once.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        # Without cpu=True processes that have no GPU do not find each other.
        self._state = PartialState(cpu=not torch.cuda.is_available())
        self.device: torch.device = self._state.device
        self.size: int = self._state.num_processes
        self.is_first: bool = self._state.is_main_process
        if parse_flag_from_env("ACCELERATE_USE_DEEPSPEED"):
            raise TrainingError(
                "DeepSpeed is not supported. Use FSDP, which splits the same; docs/distributed.md "
                "says how."
            )
        # One process alone has nothing to split with, and is spared DTensors that a checkpoint
        # would have to put together.
        self.shards: bool = self.size > 1 and parse_flag_from_env("ACCELERATE_USE_FSDP")

    def place(self, model: M) -> M:
        """Move a model to this process's device, where it is sharded if weights are."""
        self.move(model)
        if self.shards:
            # After it was moved: what is sharded is what lies on the device, and each process keeps
            # its part.
            sharding.shard(model, init_device_mesh(self.device.type, (self.size,)))
        return model

    def move(self, model: M) -> M:
        """Move a model to this process's device, whole."""
        if self.device.type == "cuda":
            # Whoever moves a model by itself has the library's norms: slower, and the same numbers.
            lean_norms(model)
        return model.to(self.device)

    def gathered(self, model: nn.Module) -> AbstractContextManager[None]:
        """Inside, this process can do passes without gradient whatever the others do."""
        return sharding.gathered(model) if self.shards else nullcontext()

    def whole(self, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """All of these tensors, in the first process; every process has to ask."""
        return sharding.whole(tensors, keep=self.is_first) if self.shards else tensors

    def in_step(self, parts: Sequence[T], spare: T) -> list[tuple[T, float]]:
        """This process's micro-batches, each with weight 1.

        Where weights are sharded every pass is made by all processes together, so `spare` follows
        with weight 0 until each has made as many.
        """
        passes = [(part, 1.0) for part in parts]
        if self.shards:
            # Agreed on before the first pass: what processes do together they do in one order.
            most = torch.tensor(len(parts), device=self.device)
            torch.distributed.all_reduce(most, op=torch.distributed.ReduceOp.MAX)
            # A pass with weight 0 adds 0 to every gradient and still takes part in gathering and
            # reducing each block; without it the others would wait for this process until their
            # time limit.
            passes += [(spare, 0.0)] * (int(most) - len(parts))
        return passes

    def share(self, items: Sequence[T]) -> list[T]:
        """The items this process works on: every `size`-th."""
        # Every size-th and not consecutive pieces: where items are sorted by length, as batches
        # often are, each process gets short and long ones.
        return list(items[self._state.process_index :: self.size])

    def gather(self, shares: list[T]) -> list[T]:
        """All processes' results in the order of the items that were shared out."""
        if self.size == 1:
            return shares
        # As objects, pickled from process to process of one run; nothing that comes from outside
        # goes this way.
        parts: list[list[T]] = gather_object([shares])
        longest = max(map(len, parts))
        # The inverse of `share`: round by round, the last round possibly not full.
        return [part[i] for i in range(longest) for part in parts if i < len(part)]

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Add up the gradients of all processes, in place; sharded ones are added up already."""
        if self.size == 1:
            return
        for parameter in parameters:
            # Their sum was made in the backward pass, when each block's gradient was scattered.
            if sharding.is_sharded([parameter]):
                continue
            if parameter.grad is None:
                # A process whose share did not reach a weight (an expert nobody was routed to, an
                # empty share) has to take part all the same: all-reduces are matched by their order
                # alone.
                parameter.grad = torch.zeros_like(parameter)
            # One by one: gradients are made in place by `accumulate`, where DDP's buckets and hooks
            # would miss them.
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
            # bfloat16 has float32's range, so that losses need no scaling, which float16 would.
            return torch.autocast("cuda", dtype=torch.bfloat16)
        return nullcontext()

    @contextmanager
    def repeatable(self) -> Iterator[None]:
        """Inside, a GPU adds up in the same order every time, gradients of attention too, so that a
        resumed run ends in the same bits; a CPU does so anyway."""
        if self.device.type != "cuda":
            yield
            return
        # It took no longer on an H100: 245 ms a pass with and without (docs/distributed.md).
        torch.use_deterministic_algorithms(True)
        # Filling new memory would only cost time.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(False)
