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
PLAIN = ("LlamaRMSNorm", "MistralRMSNorm", "Qwen2RMSNorm", "Qwen3RMSNorm", "Phi3RMSNorm")


def lean_norms(model: nn.Module) -> None:
    """Let the norms inside of the model's blocks hand on half precision under a GPU's autocast, as
    the layers after them would make of it. Elsewhere they compute what they did before.

    The last norm stays as it is: heads read it in float32.
    """
    for block in (b for m in model.modules() if isinstance(m, nn.ModuleList) for b in m):
        for module in block.modules():
            if type(module).__name__ in PLAIN and not isinstance(module, _Lean):
                module.__class__ = _lean(type(module))


class _Lean(nn.Module):
    weight: nn.Parameter
    variance_epsilon: float

    def forward(self, hidden_states: Tensor) -> Any:
        if not (hidden_states.is_cuda and torch.is_autocast_enabled("cuda")):
            return super().forward(hidden_states)
        with torch.autocast("cuda", enabled=False):
            states, weight = hidden_states.float(), self.weight
            normed = F.rms_norm(states, weight.shape, weight, self.variance_epsilon)
        return normed.to(torch.get_autocast_dtype("cuda"))


_made: dict[type, type] = {}


def _lean(kind: type) -> type:
    """A subclass, and not another `forward` of one module: a copy of the model keeps it."""
    return _made.setdefault(kind, type(kind.__name__, (_Lean, kind), {}))
