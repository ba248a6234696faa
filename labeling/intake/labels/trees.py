"""Message trees as OpenAssistant publishes them, nested in one row or a message a row. Pure.

Where several answers to a message have ranks, they are a ranking; where people gave one answer
alone, it is a demonstration.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from labeling.intake.labels.answers import dense
from labeling.intake.labels.parsed import Answer, Label, Labels, answer, several
from labeling.intake.labels.turns import Turns, turns_of
from labeling.intake.rows import RowError

Row = Mapping[str, Any]

MAX_MESSAGES = 10_000
_ASKS, _ANSWERS = "user", "assistant"


@dataclass
class Message:
    """One message with what it follows and what follows it."""

    id: str
    role: str
    text: str
    row: Row
    line: int
    parent: Message | None = None
    replies: list[Message] = field(default_factory=list)


class Bad(Exception):
    """Messages that cannot be read, by line; 0 is the line of the whole tree."""

    def __init__(self, lines: Mapping[int, str]) -> None:
        super().__init__()
        self.lines = lines


def nested(row: Row) -> Labels:
    """`{prompt: {text, role, replies: […]}}`: one row, the whole tree."""
    tree = str(row.get("message_tree_id") or row["prompt"].get("message_id") or "")
    root = _message(row["prompt"], 0, "prompt")
    waiting, seen = [root], set[str]()
    while waiting:
        above = waiting.pop()
        if above.id and above.id in seen:
            raise RowError(
                "prompt", f"holds the message {above.id[:60]!r} twice: a tree has no loops"
            )
        seen.add(above.id)
        if len(seen) > MAX_MESSAGES:
            raise RowError("prompt", f"holds more than {MAX_MESSAGES:,} messages")
        replies = above.row.get("replies") or []
        if not isinstance(replies, list):
            raise RowError("replies", "must be a list of messages")
        for one in replies:
            reply = _message(one, 0, "replies")
            reply.parent = above
            above.replies.append(reply)
        waiting += above.replies[::-1]
    further = {name: value for name, value in row.items() if name != "prompt"}
    for label in _labels([root], tree):
        yield replace(label, row={**further, **label.row})


def flat(rows: list[tuple[int, Row]]) -> Labels:
    """The messages of one tree, each with its `parent_id`. Raises Bad."""
    bad: dict[int, str] = {}
    messages: dict[str, Message] = {}
    for line, row in rows:
        try:
            one = _message(row, line, "row")
            if one.id in messages:
                raise RowError(
                    "message_id", f"{one.id[:60]!r} stands on line {messages[one.id].line} already"
                )
            messages[one.id] = one
        except RowError as error:
            bad[line] = str(error)
    roots = []
    for one in messages.values():
        parent = one.row.get("parent_id")
        one.parent = messages.get(str(parent))
        if one.parent is not None:
            one.parent.replies.append(one)
        elif parent is None:
            roots.append(one)
        else:
            bad[one.line] = (
                f"parent_id {str(parent)[:60]!r} is no message of its tree in the "
                "rows beside it; sort the file by tree"
            )
    bad |= _loops(messages, roots, bad)
    if bad:
        raise Bad(bad)
    yield from _labels(roots, str(rows[0][1].get("message_tree_id", "")))


def _loops(messages: Mapping[str, Message], roots: list[Message], bad: Mapping[int, str]) -> Any:
    """Messages that are below no beginning, by line: they follow each other in a circle."""
    begun = roots + [one for one in messages.values() if one.line in bad]
    reached: set[str] = set()
    while begun:
        one = begun.pop()
        if one.id not in reached:
            reached.add(one.id)
            begun += one.replies
    return {
        one.line: f"parent_id {str(one.row['parent_id'])[:60]!r} leads back to this message: a "
        "tree has no loops"
        for one in messages.values()
        if one.id not in reached
    }


def _labels(roots: list[Message], tree: str) -> Iterator[Label]:
    waiting = list(roots[::-1])
    while waiting:
        above = waiting.pop()
        waiting += above.replies[::-1]
        if above.role != _ASKS or _is_deleted(above):
            continue
        replies = [r for r in above.replies if r.role == _ANSWERS and not _is_deleted(r)]
        ranked = [reply for reply in replies if reply.row.get("rank") is not None]
        if len(ranked) > 1:
            answers = _ranked(ranked)
        elif len(replies) == 1 and not replies[0].row.get("synthetic"):
            answers = [Answer(replies[0].text, model=_model(replies[0]))]
        else:
            continue
        about = {"id": above.id, **above.row}
        yield Label({"messages": _thread(above)}, answers, about, family=tree, line=above.line)


def _ranked(replies: list[Message]) -> list[Answer]:
    """Ranks count from 0; where a reply was deleted one is missing."""
    ranks = [reply.row["rank"] for reply in replies]
    for reply, rank in zip(replies, ranks, strict=True):
        if type(rank) is not int or not 0 <= rank < 100:
            reason = f"rank must be a whole number from 0, the best; {rank!r} is not"
            raise Bad({reply.line: reason})
    return several(
        [
            Answer(reply.text, rank, model=_model(reply))
            for reply, rank in zip(replies, dense(ranks), strict=True)
        ],
        "replies",
    )


def _thread(message: Message | None) -> Turns:
    turns: Turns = []
    while message is not None:
        turns.append({"role": message.role, "content": message.text})
        message = message.parent
    return turns[::-1]


def _message(row: Any, line: int, name: str) -> Message:
    if not isinstance(row, Mapping):
        raise RowError(name, "must be a message with role and text")
    [turn] = turns_of([row], name)
    text = answer(turn["content"], "text")
    return Message(str(row.get("message_id", "")), turn["role"], text, row, line)


def _is_deleted(message: Message) -> bool:
    return bool(message.row.get("deleted"))


def _model(message: Message) -> str:
    return str(message.row.get("model_name") or "")[:120]
