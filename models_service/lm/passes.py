"""One pass through a model, whatever arguments its architecture takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from torch import nn


def run(model: nn.Module, **inputs: Any) -> Any:
    """`model(**inputs)` without what its forward does not know: a recurrent model has no positions,
    some never learned to keep the last logits alone."""
    known = _parameters(type(model))
    return model(
        **{name: value for name, value in inputs.items() if known is None or name in known}
    )


def cache_argument(model: nn.Module) -> str:
    """Under which name a forward takes the cache; recurrent models have one of their own."""
    # The second is Mamba's, whose state is no list of keys.
    names = ("past_key_values", "cache_params")
    return next((name for name in names if name in _signature(type(model).forward)), names[0])


def _parameters(kind: type[nn.Module]) -> frozenset[str] | None:
    """The names that a class's forward takes; None where it takes any."""
    named = _signature(kind.forward)
    # **kwargs are handed down to layers that take what they know; leaving an argument out for them
    # (positions above all) would be silent.
    takes_any = any(one is inspect.Parameter.VAR_KEYWORD for one in named.values())
    return None if takes_any else frozenset(named)


# Asked for every token that is sampled, of the few classes there are.
@cache
def _signature(forward: Callable[..., Any]) -> Mapping[str, object]:
    """The kind of each named parameter of a forward."""
    parameters = inspect.signature(forward).parameters
    return {name: one.kind for name, one in parameters.items()}
