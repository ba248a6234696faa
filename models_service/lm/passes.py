"""One pass through a model, whatever arguments its architecture takes."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

from torch import nn


def run(model: nn.Module, **inputs: Any) -> Any:
    """`model(**inputs)` without what its forward does not know: a recurrent model has no positions,
    some never learned to keep the last logits alone."""
    known = _parameters(type(model))
    return model(**{name: value for name, value in inputs.items() if known is None or name in known})


@cache
def _parameters(kind: type[nn.Module]) -> frozenset[str] | None:
    """The names that a class's forward takes; None where it takes any."""
    parameters = inspect.signature(kind.forward).parameters.values()
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters):
        return None
    return frozenset(one.name for one in parameters)
