"""The shapes in which labels come, told apart by their columns: the one list. Pure.

`docs/import_labels.md` says of each what it means and what becomes of its columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labeling.intake.labels import about, answers, liked, own, pairs, trees
from labeling.intake.labels.parsed import Labels
from labeling.intake.rows import RowError

Row = Mapping[str, Any]
Numbered = Sequence[tuple[int, Row]]

_PROMPT = frozenset({"prompt", "messages", "thread", "question"})
_TALKS = frozenset({"messages", "conversations", "conversation"})


@dataclass(frozen=True)
class Shape:
    """How rows of one shape are known and read.

    `key` is of shapes whose rows say something only together: rows beside each other with the same
    one are read at once. `columns` are those read beside the ones of `about.COLUMNS`.
    """

    title: str
    is_it: Callable[[Row], bool]
    labels: Callable[[Any], Labels]
    columns: frozenset[str]
    own: bool = False
    key: Callable[[Row], str] | None = None


def _has(*names: str) -> Callable[[Row], bool]:
    return lambda row: all(name in row for name in names)


def _any(names: Sequence[str] | frozenset[str]) -> Callable[[Row], bool]:
    return lambda row: any(name in row for name in names)


def _is_own_pair(row: Row) -> bool:
    """Either answer may be nothing at all."""
    return _has("messages", "margin")(row) and ("chosen" in row or "rejected" in row)


def _is_own_ranking(row: Row) -> bool:
    return _has("messages", "completions", "ranks")(row)


def _is_tree(row: Row) -> bool:
    return isinstance(row.get("prompt"), Mapping) and "replies" in row["prompt"]


def _is_liked(row: Row) -> bool:
    return _has("prompt", "completion", "label")(row)


def _flat_key(row: Row) -> str:
    return str(row.get("message_tree_id", ""))


def _flat(rows: Numbered) -> Labels:
    return trees.flat(list(rows))


def _liked(rows: Numbered) -> Labels:
    return liked.liked([row for _, row in rows])


SHAPES: Mapping[str, Shape] = {
    "own rankings": Shape(
        "our own export of rankings", _is_own_ranking, own.rankings,
        frozenset({"messages", "completions", "ranks", "finished", "ratings", "flags", "policies",
                   *own.SAID, *own.PROVENANCE}), own=True,
    ),
    "own pairs": Shape(
        "our own export of pairs", _is_own_pair, own.pairs,
        frozenset({"messages", "chosen", "rejected", "margin", *own.SAID, *own.PROVENANCE}),
        own=True,
    ),
    "own demonstrations": Shape(
        "our own export of demonstrations",
        lambda row: _has("messages", "response", "labeler")(row), own.demonstrations,
        frozenset({"messages", "response", *own.SAID, *own.PROVENANCE}), own=True,
    ),
    "tree messages": Shape(
        "a message tree, a message a row", _has("message_id", "role", "text"), _flat,
        frozenset({"message_id", "parent_id", "message_tree_id", "role", "text", "rank",
                   "synthetic", "deleted", "model_name"}), key=_flat_key,
    ),
    "tree": Shape(
        "a message tree in one row", _is_tree, trees.nested,
        frozenset({"prompt", "message_tree_id"}),
    ),
    "summaries": Shape(
        "comparisons of summaries", _has("info", "summaries", "choice"), answers.compared,
        frozenset({"info", "summaries", "choice"}),
    ),
    "pairs": Shape(
        "chosen and rejected", _any(("chosen", "rejected")), pairs.pairs,
        frozenset({"chosen", "rejected", "margin", *_PROMPT}),
    ),
    "liked": Shape(
        "answers that were liked or not", _is_liked, _liked,
        frozenset({"prompt", "completion", "label"}), key=liked.key_of,
    ),
    "answers": Shape(
        "several answers, with ranks, scores or neither", _any(answers.LISTS), answers.listed,
        frozenset({*answers.LISTS, *answers.RANKS, *answers.SCORES, "instruction", "input",
                   "context", *_PROMPT}),
    ),
    "written": Shape(
        "a prompt and the answer beside it", _any(answers.WRITTEN), answers.written,
        frozenset({*answers.WRITTEN, "instruction", "input", "context", *_PROMPT}),
    ),
    "conversations": Shape(
        "a conversation that ends with an answer", _any(_TALKS), answers.conversations, _TALKS
    ),
}  # fmt: skip
"""The first that a row has the columns of is its shape."""

_ABOUT = about.columns_of(about.COLUMNS)
COLUMNS = frozenset().union(_ABOUT, *(shape.columns for shape in SHAPES.values()))
"""Every column that is read of some shape."""


def shape_of(row: Any) -> str:
    """The name of a row's shape. Raises RowError."""
    if not isinstance(row, Mapping):
        raise RowError("row", "must be an object with the columns of a label")
    for name, shape in SHAPES.items():
        if shape.is_it(row):
            return name
    raise RowError(
        "row",
        "holds no label: there has to be an answer to a prompt, such as chosen and rejected, "
        "responses with ranks, or messages that end with an answer",
    )


def unread(row: Row, shape: Shape) -> set[str]:
    """The columns of a row that say nothing here."""
    return {str(name) for name in row} - shape.columns - _ABOUT
