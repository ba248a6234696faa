"""Rows in the chat format of Hugging Face."""

from __future__ import annotations

from typing import Any

import pytest

from labeling.intake.chats import as_row
from labeling.intake.rows import RowError, parse

ASKED = {"role": "user", "content": "Why?"}
ANSWERED = {"role": "assistant", "content": "Because."}


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [ASKED, ANSWERED]},
        {"prompt": [ASKED], "chosen": [ANSWERED], "rejected": [ANSWERED]},
        {"conversations": [{"from": "human", "value": "Why?"}, {"from": "gpt", "value": "So."}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "Why?"}]}]},
        {"messages": '[{"role": "user", "content": "Why?"}, {"role": "assistant", "content": ""}]'},
    ],
)
def test_a_conversation_is_asked_up_to_its_answer(row: dict[str, Any]) -> None:
    assert parse(as_row(row)).messages == [ASKED]


def test_what_was_said_before_stays() -> None:
    system = {"role": "system", "content": "Be brief."}
    turns = [system, ASKED, ANSWERED, ASKED]
    assert parse(as_row({"messages": [*turns, ANSWERED], "use_case": "chat"})).messages == turns


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [ANSWERED]},
        {"messages": [ASKED, {"role": "tool", "content": "42"}]},
        {"messages": [ASKED, "hm"]},
        {"messages": [{"role": "user", "content": [{"type": "image"}]}]},
        {"conversations": "[oops"},
    ],
)
def test_what_is_no_conversation_is_refused(row: dict[str, Any]) -> None:
    with pytest.raises(RowError, match="messages"):
        parse(as_row(row))


def test_a_text_that_looks_like_a_list_is_a_text() -> None:
    assert parse(as_row({"prompt": "[1, 2]"})).messages[0]["content"] == "[1, 2]"
