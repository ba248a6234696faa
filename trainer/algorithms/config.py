"""How a run's settings are declared: frozen dataclasses that check and explain themselves.

The metadata of a field (`help`, `paper`, bounds, choices) is enough to draw a form from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, asdict, dataclass, field, fields
from difflib import get_close_matches
from typing import Any, Self

from trainer.algorithms.contract import TrainingError


class ConfigError(TrainingError):
    """Settings that cannot be used; `errors` maps a field's name to what is wrong with it."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        self.errors = dict(errors)
        lines = "; ".join(f"{name}: {problem}" for name, problem in self.errors.items())
        super().__init__(f"Settings not usable: {lines}. Correct them and start again.")


def option(
    default: Any,
    help: str,
    *,
    paper: Any = None,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: Sequence[str] | None = None,
    operational: bool = False,
) -> Any:
    """A documented field. `paper` is the value of Ouyang et al. 2022, None where it names none.

    An `operational` setting decides how a run is carried out, not what comes out of it (but for
    float rounding): a run that is taken up again may have another one.
    """
    metadata = {
        "help": help,
        "paper": paper,
        "minimum": minimum,
        "maximum": maximum,
        "choices": tuple(choices) if choices else None,
        "operational": operational,
    }
    return field(default=default, metadata=metadata)


# A longer whole number does not fit into a float.
LARGEST = 1e300


@dataclass(frozen=True)
class Config:
    """Base of all settings. Raises ConfigError with every problem at once."""

    def __post_init__(self) -> None:
        # All at once: a form shows every field that is wrong, not the first.
        problems = {f.name: _problem(f, getattr(self, f.name)) for f in fields(self)}
        if errors := {name: problem for name, problem in problems.items() if problem}:
            raise ConfigError(errors)
        for f in fields(self):
            if isinstance(f.default, float):
                # A frozen dataclass is only writable past its own guard. YAML gives 1 where 1.0 is
                # meant, and the two would name two runs in `fingerprint`.
                object.__setattr__(self, f.name, float(getattr(self, f.name)))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Settings from plain values, defaults for the rest; unknown names are refused."""
        known = [f.name for f in fields(cls)]
        if unknown := sorted(set(values) - set(known)):
            raise ConfigError({name: not_known(name, "a setting", known) for name in unknown})
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, in the order of the fields."""
        return asdict(self)

    def identity(self) -> dict[str, Any]:
        """The settings that name a run: all but the operational ones."""
        # Left out, so that a run which ran out of memory can go on from its state with smaller
        # micro-batches.
        operational = {f.name for f in fields(self) if f.metadata["operational"]}
        return {name: value for name, value in self.to_dict().items() if name not in operational}


def not_known(name: str, what: str, known: Iterable[str]) -> str:
    """Why a name is refused, with the one that was probably meant."""
    close = get_close_matches(name, known, n=1)
    return f"is not {what} ({f'did you mean {close[0]}?' if close else 'take it out'})"


def _problem(spec: Field, value: Any) -> str | None:
    """What is wrong with `value` for this field, or None."""
    default = spec.default
    assert default is not MISSING, "every setting has a default"
    allowed: tuple[type, ...] = (int, float) if isinstance(default, float) else (type(default),)
    # True is an int to Python: `epochs: yes` in a recipe would be one epoch.
    if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
        return f"must be of type {type(default).__name__}, not {type(value).__name__}"
    return _out_of_bounds(spec.metadata, value)


def _out_of_bounds(limits: Mapping[str, Any], value: Any) -> str | None:
    minimum, maximum, choices = (limits.get(key) for key in ("minimum", "maximum", "choices"))
    # Not `> LARGEST`, so that NaN is caught too: it passes every comparison with a bound.
    if not abs(value) <= LARGEST if isinstance(value, (int, float)) else False:
        return "must be a finite number"
    if minimum is not None and value < minimum:
        return f"must be at least {minimum}"
    if maximum is not None and value > maximum:
        return f"must be at most {maximum}"
    if choices and value not in choices:
        return f"must be one of {', '.join(choices)}"
    return None
