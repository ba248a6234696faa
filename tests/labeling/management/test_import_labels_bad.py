"""Labels that cannot be taken: each named by its line, and nothing half-imported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError

from labeling.models import LabelingTask, LabelOrigin, LabelSet, Prompt, Ranking, StagedPrompt
from tests.labeling.management.importing import run

pytestmark = pytest.mark.django_db
Row = dict[str, Any]

PAIR = {"prompt": "Why is it wet?", "chosen": "It rained.", "rejected": "No."}


def _other(text: str, **changes: Any) -> Row:
    return {**PAIR, "prompt": text, **changes}


TREE = {"message_tree_id": "t", "role": "prompter", "text": "Why?", "message_id": "a"}
RANKED = {"prompt": "Why?", "responses": ["So.", "Thus."]}
WHOLE = {
    "messages": [{"role": "user", "content": "Why?"}],
    "completions": ["So.", "Thus."],
    "ranks": [1, 2],
    "id": "7",
    "labeler": "labeler-1",
}
HUMAN = "\n\nHuman: Why?\n\nAssistant: "


@pytest.mark.parametrize(
    ("rows", "line", "reason"),
    [
        ([{"chosen": "Yes.", "rejected": "No."}], 1, "prompt is missing"),
        ([{"responses": ["Yes.", "No."], "ranks": [1, 2]}], 1, "prompt is missing"),
        ([{"output": "Yes."}], 1, "prompt is missing"),
        ([PAIR, _other("Dry?", rejected="It rained. ")], 2, "rejected is the same as chosen"),
        ([{**PAIR, "chosen": ""}], 1, "chosen is missing"),
        ([{**RANKED, "ranks": [1, 3]}], 1, "ranks must be whole numbers from 1"),
        ([{**RANKED, "ranks": [0, 1, 2]}], 1, "ranks must be a list of 2 numbers"),
        ([{**RANKED, "ranks": [-1, 1]}], 1, "ranks must be whole numbers"),
        ([{**WHOLE, "ranks": [1, 9]}], 1, "ranks must be whole numbers from 1, the best, to 2"),
        ([{**WHOLE, "ratings": [1, 8]}], 1, "ratings must be whole numbers"),
        ([{**RANKED, "scores": ["good", "bad"]}], 1, "scores must be numbers"),
        ([{**RANKED, "scores": ["4", "2"]}], 1, "scores must be numbers"),
        ([{"prompt": "Why?", "responses": [f"Answer {n}." for n in range(40)],
           "ranks": [*range(1, 41)]}], 1, "must hold 2 to 16 answers; here are 40"),
        ([{**RANKED, "responses": ["So.", "So."], "ranks": [1, 2]}], 1, "place 2 twice"),
        ([{"chosen": HUMAN + "Yes.", "rejected": HUMAN.replace("Why?", "Why ?") + "No."}], 1,
         "but for white space"),
        ([{"chosen": HUMAN + "Yes.", "rejected": HUMAN.replace("Why", "How") + "No."}], 1,
         "another conversation"),
        ([{**TREE, "parent_id": "b"},
          {**TREE, "message_id": "b", "parent_id": "a", "role": "assistant"}], 1, "no loops"),
        ([{**TREE, "parent_id": None},
          {**TREE, "message_id": "b", "parent_id": "z", "role": "assistant"}], 2, "parent_id 'z'"),
        ([{**TREE, "parent_id": None}, {**TREE, "parent_id": None}], 2, "line 1 already"),
        ([{"prompt": {**TREE, "replies": [{**TREE, "role": "assistant"}]}}], 1, "no loops"),
        ([{**RANKED, "ranks": [1, 2], "labeler": "w1"},
          {**RANKED, "ranks": [2, 1], "labeler": "w1"}], 2, "second ranking of these answers"),
        ([{**PAIR, "split": "train"}, {**PAIR, "chosen": "Rain.", "split": "test"}], 2,
         "line 1 has this prompt in train"),
        ([_other("One?", author="ann", split="train"), _other("Two?", author="ann", split="test")],
         2, "line 1 has this author in train"),
        ([{**PAIR, "split": "holiday"}], 1, "split 'holiday' is unknown"),
        ([{**PAIR, "set": "hh"}], 1, "licence of the set 'hh' is missing"),
        ([{**PAIR, "set": "here", "licence": "MIT"}], 1, "cannot be called"),
        ([{"id": 4, "prompt": "A?", "output": "b"}, {"id": 4, "prompt": "C?", "output": "d"}], 2,
         "id '4' stands on line 1 already"),
        ([PAIR, {"prompt": "Why?"}], 2, "holds no label"),
        ([PAIR, "oops"], 2, "must be an object"),
        ([{"info": {"post": "Long."}, "summaries": [{"text": "A"}, {"text": "B"}], "choice": 2}], 1,
         "choice must be 0 or 1"),
        ([{"prompt": "Why?", "completion": "So.", "label": "perhaps"}], 1, "label must be true"),
        ([{**PAIR, "created_at": "yesterday"}], 1, "is no moment"),
    ],
)  # fmt: skip
def test_it_is_named_by_its_line(
    write_rows: Callable[..., Path], rows: list[Any], line: int, reason: str
) -> None:
    said = run(write_rows(*rows))
    found = {one["line"]: one["reason"] for one in said["rejects"]}
    assert reason in found[line], found
    assert (said["exit"], said["imported"]) == (1, False)
    for table in (Ranking, LabelOrigin, LabelSet, LabelingTask, Prompt, StagedPrompt):
        assert not table.objects.exists()


def test_pairs_of_one_ranking_may_share_its_id(write_rows: Callable[..., Path]) -> None:
    assert run(write_rows({**PAIR, "id": 4}, {**PAIR, "chosen": "Rain.", "id": 4}))["rankings"] == 2


def test_a_file_that_is_no_file_is_refused_whole(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text('[{"chosen": "a"}]')
    with pytest.raises(CommandError, match="one JSON array"):
        run(path)


def test_a_split_that_is_here_already_is_kept(write_rows: Callable[..., Path]) -> None:
    run(write_rows({**PAIR, "split": "test"}))
    said = run(write_rows({**PAIR, "chosen": "Rain.", "split": "train"}, name="more.jsonl"))
    assert said["rejects"] == [
        {"line": 1, "reason": "split is train, but this prompt is here already, in test"}
    ]
    assert run(write_rows({**PAIR, "chosen": "Rain."}, name="more.jsonl"))["rankings"] == 1
    assert Prompt.objects.get().split == "test"


def test_an_author_stays_on_the_side_of_the_set(write_rows: Callable[..., Path]) -> None:
    options = ("--set", "wet", "--licence", "MIT")
    run(write_rows(_other("One?", author="ann", split="test")), *options)
    said = run(write_rows(_other("Two?", author="ann", split="train"), name="2.jsonl"), *options)
    assert "author's prompts are here already, in test" in said["rejects"][0]["reason"]
    assert run(write_rows(_other("Two?", author="ann", split="train"), name="3.jsonl"))["imported"]
    assert set(Prompt.objects.values_list("author", "split")) == {
        ("wet/ann", "test"),
        ("3/ann", "train"),
    }
