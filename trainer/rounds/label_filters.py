"""Which labels a round learns from, as its recipe says it under `labels`: checked, no database.

What each filter does stands in `labeling.label_filters`. An empty value filters nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from trainer.algorithms.config import not_known

GROUPS = {"training": "Training labelers", "held_out": "Held-out labelers"}

Filters = dict[str, Any]


def clean(values: Any) -> tuple[Filters, dict[str, str]]:
    """The filters that say something, and what is wrong with the others, by `labels.<name>`."""
    if not isinstance(values, Mapping):
        return {}, {"labels": "must hold filters by name"}
    filters: Filters = {}
    errors: dict[str, str] = {}
    for name, value in values.items():
        if name not in _RULES:
            errors[f"labels.{name}"] = not_known(name, f"one of {', '.join(_RULES)}", _RULES)
        elif value not in (None, "", [], 0):
            value = value.isoformat() if isinstance(value, date) else value  # YAML's own days
            problem = _RULES[name](value)
            errors |= {f"labels.{name}": problem} if problem else {}
            filters[name] = value
    if not errors and _ends_before_it_begins(filters):
        errors["labels.until"] = "lies before since"
    return filters, errors


def _moment(value: Any) -> str:
    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return "must be a day or a moment, such as 2026-01-31 or 2026-01-31T12:00:00Z"
    return ""


def _words(value: Any) -> str:
    good = isinstance(value, list) and all(isinstance(word, str) for word in value)
    return "" if good else "must be a list of names"


def _groups(value: Any) -> str:
    if _words(value) or not set(value) <= set(GROUPS):
        return f"must be a list of {', '.join(GROUPS)}"
    return ""


def _versions(value: Any) -> str:
    good = isinstance(value, list) and all(type(number) is int for number in value)
    return "" if good else "must be a list of version numbers"


def _share(value: Any) -> str:
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1
    return "" if good else "must be a share from 0 to 1"


_RULES: Mapping[str, Callable[[Any], str]] = {
    "since": _moment,
    "until": _moment,
    "use_cases": _words,
    "groups": _groups,
    "origins": _words,
    "policies": _words,
    "ranking_guidelines": _versions,
    "demonstration_guidelines": _versions,
    "agreement": _share,
}


def _ends_before_it_begins(filters: Filters) -> bool:
    """By their days, which are the same in any time zone but at its edge."""
    since, until = filters.get("since"), filters.get("until")
    return bool(since and until and until[:10] < since[:10])
