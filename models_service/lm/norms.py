"""Root-mean-square norms in one kernel, for a GPU's autocast.

A transformer's own formula is six operations on float32, each a trip through memory, and every
linear layer after it rounds the result again for itself. In training that is more time than the
matrix products.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Transformers' classes whose formula is w · x / √(mean x² + ε).
# By name, for the library has a class for each family. Gemma's are not among them: theirs is (1 +
# w) · x / …, and nn.functional.rms_norm would leave the 1 out.
PLAIN = ("LlamaRMSNorm", "MistralRMSNorm", "Qwen2RMSNorm", "Qwen3RMSNorm", "Phi3RMSNorm")


def lean_norms(model: nn.Module) -> None:
    """Let the norms inside of the model's blocks hand on half precision under a GPU's autocast, as
    the layers after them would make of it. Elsewhere they compute what they did before.

    The last norm stays as it is: heads read it in float32.
    """
    # The last norm stands outside of every list of blocks: that is how it is told from the others.
    for block in (b for m in model.modules() if isinstance(m, nn.ModuleList) for b in m):
        for module in block.modules():
            if type(module).__name__ in PLAIN and not isinstance(module, _Lean):
                module.__class__ = _lean(type(module))


class _Lean(nn.Module):
    weight: nn.Parameter
    variance_epsilon: float

    def forward(self, hidden_states: Tensor) -> Any:
        if not (hidden_states.is_cuda and torch.is_autocast_enabled("cuda")):
            # To the bit what a CPU and evaluation in float32 have always computed.
            return super().forward(hidden_states)
        # The sum of squares in float32: added up in bfloat16, which has eight bits, most of a row's
        # numbers would be lost.
        with torch.autocast("cuda", enabled=False):
            states, weight = hidden_states.float(), self.weight
            normed = F.rms_norm(states, weight.shape, weight, self.variance_epsilon)
        # Rounded once here instead of once in each of the layers that read it (three in attention,
        # two in a gated layer). A pass forward and backward took 181 ms for 236 and 23.3 GiB for
        # 30.7 (docs/distributed.md).
        return normed.to(torch.get_autocast_dtype("cuda"))


_made: dict[type, type] = {}


def _lean(kind: type) -> type:
    """A subclass, and not another `forward` of one module: a copy of the model keeps it."""
    return _made.setdefault(kind, type(kind.__name__, (_Lean, kind), {}))
