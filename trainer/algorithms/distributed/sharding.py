"""Weights, gradients and optimizer moments split over processes, as FSDP does (ZeRO stage 3).

The blocks of a transformer are sharded by PyTorch's `fully_shard`, each by itself; what stands
outside of them (embeddings, last norm, heads) is whole in every process, so that the unembedding
can be used without a pass through the model. Tensors of sharded parameters are DTensors; the
functions here do with them what plain tensors let one do directly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers import PreTrainedModel

from trainer.algorithms.contract import TrainingError


def shard(model: nn.Module, mesh: DeviceMesh) -> None:
    """Shard the blocks of every transformer in `model` over the processes of `mesh`.

    Gradients are added up over processes, not averaged: losses are divided by the whole
    minibatch's count already. Raises TrainingError for an architecture that names no blocks.
    """
    # A reward model's transformer stands inside of a module of our own.
    transformers = [m for m in model.modules() if isinstance(m, PreTrainedModel)]
    # The library's own list of what must stay on one device, its blocks; the name is private, but
    # what device maps and accelerate go by.
    names = {name for one in transformers for name in one._no_split_modules or ()}
    blocks = [module for module in model.modules() if type(module).__name__ in names]
    if not blocks:
        raise TrainingError(
            f"{type(transformers[0]).__name__} names no blocks that could be sharded. Train it "
            "with whole weights in every process."
        )
    # Each by itself, and never the whole model: one block's weights at a time are whole in memory,
    # and embeddings and heads, which no block holds, stay whole for `logprobs`.
    for block in blocks:
        sharded = fully_shard(block, mesh=mesh)
        # Gloo knows no other reduction than a sum, and a sum is what is wanted.
        sharded.set_force_sum_reduction_for_comms(True)
        sharded.set_gradient_divide_factor(1.0)


@contextmanager
def gathered(model: nn.Module) -> Iterator[None]:
    """Inside, every process has all weights of `model` and may do passes on its own, without
    gradient; afterwards its shards again."""
    blocks = [module for module in model.modules() if isinstance(module, FSDPModule)]
    for block in blocks:
        block.unshard()
        # A block that split again after its pass would have to be gathered anew for the next token.
        block.set_reshard_after_forward(False)
    try:
        yield
    finally:
        for block in blocks:
            block.set_reshard_after_forward(True)
            # Otherwise every model that was put together once would stay whole in memory.
            block.reshard()


def whole(tensors: Mapping[str, Tensor], *, keep: bool) -> dict[str, Tensor]:
    """The tensors with the sharded ones put together, in every process that will `keep` them; the
    others take part and forget them."""
    put_together: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        # To the CPU one by one, so that the GPU holds one whole tensor at a time and not the model.
        full = tensor.full_tensor().cpu() if isinstance(tensor, DTensor) else tensor
        if keep:
            put_together[name] = full
    return put_together


def alike(tensor: Tensor, model: Tensor) -> Tensor:
    """A whole tensor sharded as `model` is, where it is, and on its device."""
    placed = tensor.to(model.device)
    # Adam's step count belongs to a sharded weight and has no shape to be split by.
    if not isinstance(model, DTensor) or placed.shape != model.shape:
        return placed
    # Every process has the whole tensor and takes its part.
    return distribute_tensor(placed, model.device_mesh, model.placements, src_data_rank=None)


def clip_gradients(parameters: Iterable[nn.Parameter], max_norm: float) -> Tensor:
    """As `nn.utils.clip_grad_norm_`, where some gradients are sharded; the norm of them all."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    shards = [g.to_local() for g in gradients if isinstance(g, DTensor)]
    plain = [g for g in gradients if not isinstance(g, DTensor)]
    # The library's clipping makes one stack of all norms, which does not take DTensors of two
    # layouts beside plain tensors.
    squares = nn.utils.get_total_norm(shards).square()
    # The shards' squares are added over processes; whole gradients are the same in each, and are
    # counted once.
    distributed.all_reduce(squares)
    norm = (squares + nn.utils.get_total_norm(plain).square()).sqrt()
    for gradient in (*shards, *plain):
        # The library's formula to its 1e-6, so that one process and several scale by the same.
        gradient.mul_((max_norm / (norm + 1e-6)).clamp(max=1.0))
    return norm


def is_sharded(parameters: Iterable[Tensor]) -> bool:
    """Whether some of these parameters are."""
    return any(isinstance(parameter, DTensor) for parameter in parameters)
