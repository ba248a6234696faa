"""Whose label a row is: its set and licence, its own id, its labeler, when, which side. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from labeling.intake import texts
from labeling.intake.rows import RowError
from labeling.models.prompts import Split

HERE, IMPORTED = "here", "imported"
"""Names that a set cannot have: a filter means by them labels made here, and all imported ones."""

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "row_id", "uid", "message_id", "prompt_id"),
    "labeler": ("labeler", "worker", "annotator", "annotator_id"),
    "at": ("created_at", "created_date", "date", "timestamp"),
    "split": ("split",),
    "set": ("set", "dataset"),
    "licence": ("licence", "license"),
    "author": ("author",),
    "language": ("language", "lang"),
    "use_case": ("use_case", "category", "task_type"),
    "topic": ("topic",),
}
"""What a row may say of itself, by the names that public sets have for it; the first counts."""

_SPLITS = {
    "train": Split.TRAIN, "training": Split.TRAIN,
    "validation": Split.VALIDATION, "valid": Split.VALIDATION, "val": Split.VALIDATION,
    "dev": Split.VALIDATION, "valid1": Split.VALIDATION, "valid2": Split.VALIDATION,
    "test": Split.TEST, "heldout": Split.TEST, "held_out": Split.TEST,
}  # fmt: skip
# Of databricks-dolly-15k, which has seven of the paper's ten use cases under names of its own.
_USE_CASES = {
    "closed_qa": "closed_qa",
    "open_qa": "open_qa",
    "general_qa": "open_qa",
    "classification": "classification",
    "information_extraction": "extract",
    "brainstorming": "brainstorming",
    "creative_writing": "generation",
    "summarization": "summarization",
}
_LONGEST = {"labeler": 200, "set": 120, "licence": 200, "author": 200}


@dataclass(frozen=True)
class Options:
    """What whoever imports a file says of all its rows.

    `columns` maps our names of columns to the file's. Where `of` is empty the set has the file's
    name, `fallback`, and is the installation's own.
    """

    fallback: str
    of: str = ""
    licence: str = ""
    split: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class About:
    """What is kept of a label's origin."""

    of: str
    licence: str
    id: str
    labeler: str
    at: str
    split: str
    author: str


def given(row: Any, columns: Mapping[str, str]) -> Any:
    """The row under our names of columns, without what is not given: null, NaN, nothing."""
    if not isinstance(row, Mapping):
        return row
    theirs = {name: ours for ours, name in columns.items()}
    named = {theirs.get(name, name): value for name, value in row.items() if name not in columns}
    return {name: value for name, value in named.items() if not _is_missing(value)}


def about(row: Mapping[str, Any], options: Options, *, own: bool) -> About:
    """The origin of a row's label. Raises RowError.

    Args:
        own: The row is of an export of ours, whose labels are the installation's own.
    """
    of = _short(row, "set") or options.of
    licence = _short(row, "licence") or options.licence
    if of and not licence and not own:
        raise RowError(
            "licence",
            f"of the set {of[:60]!r} is missing: name it for the whole file, or in a column",
        )
    if of in (HERE, IMPORTED):
        raise RowError("set", f"cannot be called {of!r}")
    return About(
        of=of or options.fallback,
        licence=licence,
        id=_id(row),
        labeler=_short(row, "labeler"),
        at=_moment(row),
        split=_split(row) or options.split,
        author=_short(row, "author"),
    )


def of_prompt(row: Mapping[str, Any]) -> dict[str, Any]:
    """What the row says of its prompt beside the texts, as `labeling.intake.rows` reads it."""
    found = {name: value_of(row, name) for name in ("language", "use_case", "topic")}
    if "use_case" not in row and found["use_case"]:
        found["use_case"] = _USE_CASES.get(str(found["use_case"]))
    return {name: value for name, value in found.items() if value}


def value_of(row: Mapping[str, Any], name: str) -> Any:
    """The first column that says it, or None."""
    return next((row[column] for column in COLUMNS[name] if column in row), None)


def columns_of(names: Iterable[str]) -> frozenset[str]:
    """Every name that these columns go by."""
    return frozenset(column for name in names for column in COLUMNS[name])


def split_named(value: Any) -> str:
    """The side of the split that a set means. Raises RowError."""
    found = _SPLITS.get(str(value).casefold())
    if found is None:
        raise RowError(
            "split", f"{str(value)[:40]!r} is unknown; it is one of {', '.join(_SPLITS)}"
        )
    return found.value


def _is_missing(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def _id(row: Mapping[str, Any]) -> str:
    value = value_of(row, "id")
    if value is None:
        return ""
    if not isinstance(value, str | int) or not texts.keepable(value) or len(str(value)) > 200:
        raise RowError("id", "must be a number, or a text of at most 200 characters")
    return str(value)


def _split(row: Mapping[str, Any]) -> str:
    value = value_of(row, "split")
    return split_named(value) if value is not None else ""


def _short(row: Mapping[str, Any], name: str) -> str:
    value = value_of(row, name)
    if value is None:
        return ""
    if not isinstance(value, str | int) or not texts.keepable(value):
        raise RowError(name, "must be a text")
    if len(str(value)) > _LONGEST[name]:
        raise RowError(name, f"is longer than {_LONGEST[name]} characters")
    return str(value).strip()


def _moment(row: Mapping[str, Any]) -> str:
    """When the label was given, in ISO's words; seconds since 1970 are read as well."""
    value = value_of(row, "at")
    if value is None:
        return ""
    try:
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC).isoformat()
        found = datetime.fromisoformat(str(value))
    except (ValueError, OverflowError, OSError):
        raise RowError(
            "date", f"{str(value)[:40]!r} is no moment, such as 2026-01-31T12:00:00Z"
        ) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).isoformat()
