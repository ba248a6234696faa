"""Reading snapshots, limits on lengths, and pretraining text."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models_service.lm.chat import PromptRefused, decode, encode_prompt, stop_token_id
from models_service.lm.checkpoint import load_tokenizer
from trainer.algorithms import data
from trainer.algorithms.batches import HELD_OUT_BLOCKS, PretrainingText, cut
from trainer.algorithms.contract import TrainingError
from trainer.algorithms.data import Demonstration, Encoder, Prompt, Ranking, read_snapshot


def asks(text: str) -> list:
    return [{"role": "user", "content": text}]


def ranking(
    text: str,
    completions: list[str],
    ranks: list[int],
    who: str = "ada",
    finished: tuple[bool, ...] = (True, True),
) -> Ranking:
    return Ranking("r", "train", asks(text), completions, ranks, who, "training", list(finished))


def test_reads_every_line_in_order(snapshot: Path, lines: list) -> None:
    found = read_snapshot(snapshot)
    assert [d.id for d in found.demonstrations] == [
        x["id"] for x in lines if x["type"] == "demonstration"
    ]
    assert len(found.rankings) == 30
    assert found.rankings[0].completions == lines[2]["completions"]
    assert len(found.sha256) == 64


def test_a_snapshot_of_before_counts_all_as_finished(snapshot: Path, lines: list) -> None:
    assert "finished" not in lines[2]
    assert read_snapshot(snapshot).rankings[0].finished == [True] * 4


def test_how_completions_ended_is_read(write_snapshot, lines: list) -> None:
    path = write_snapshot([{**lines[2], "finished": [True, False, False, True]}])
    assert read_snapshot(path).rankings[0].finished == [True, False, False, True]
    with pytest.raises(TrainingError, match="Line 1"):
        read_snapshot(write_snapshot([{**lines[2], "finished": [True]}]))


@pytest.mark.parametrize(
    "line",
    [
        "not json",
        '{"type": "poem"}',
        '{"type": "prompt", "id": "p"}',
        '{"type": "ranking", "id": "r", "split": "train", "messages": [], "completions": ["a"],'
        ' "ranks": [1, 2], "labeler": "x", "group": "training"}',
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "snapshot.jsonl"
    path.write_text('{"type": "prompt", "id": "p", "split": "train", "messages": []}\n' + line)
    with pytest.raises(TrainingError, match=r"Line 2 of the snapshot.*Freeze"):
        read_snapshot(path)


def test_a_missing_snapshot_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"cannot be read.*Freeze it again"):
        read_snapshot(tmp_path / "none.jsonl")


def test_long_prompts_are_skipped_and_long_responses_cut_and_both_counted(tiny: Path) -> None:
    tokenizer = load_tokenizer(tiny)
    limit = len(encode_prompt(tokenizer, asks("four")))
    encoder = Encoder(tokenizer, limit, max_response=4)
    assert encoder.prompt(asks("four")) is not None
    assert encoder.prompt(asks("fives")) is None
    stop = stop_token_id(tokenizer)
    assert encoder.response("abc")[-1] == stop
    cut_response = encoder.response("abcdef")
    assert decode(tokenizer, cut_response) == "abcd"
    assert stop not in cut_response
    assert encoder.response("") == [stop]
    assert encoder.counts == {"prompts_skipped_too_long": 1, "responses_cut": 1}


def test_rankings_of_the_same_completions_are_one_group(tiny: Path) -> None:
    encoder = Encoder(load_tokenizer(tiny), 64, 64)
    groups = encoder.groups(
        [
            ranking("one", ["a", "b"], [1, 2]),
            ranking("two", ["a", "b"], [1, 1]),
            ranking("one", ["a", "b"], [2, 1], who="bob"),
            ranking("one", ["a", "b"], [1, 2], finished=(True, False)),
        ]
    )
    assert [group.rankings for group in groups] == [[[1, 2], [2, 1]], [[1, 1]], [[1, 2]]]
    assert sum(map(len, groups[0].completions)) == 4
    assert sum(map(len, groups[2].completions)) == 3


def test_only_what_ended_and_fits_ends_with_the_stop_token(tiny: Path) -> None:
    tokenizer = load_tokenizer(tiny)
    stop = stop_token_id(tokenizer)
    encoder = Encoder(tokenizer, 64, max_response=4)
    [group] = encoder.groups(
        [
            ranking(
                "one",
                ["abc", "abc", "abcd", "ab\N{REPLACEMENT CHARACTER}"],
                [1, 2, 3, 4],
                finished=(True, False, True, False),
            )
        ]
    )
    assert [completion.count(stop) for completion in group.completions] == [1, 0, 0, 0]
    assert list(group.finished) == [True, False, False, False]
    assert [len(completion) for completion in group.completions] == [4, 3, 4, 2]
    assert encoder.counts == {"responses_cut": 1}


def test_what_the_template_refuses_is_skipped_and_counted(tiny: Path) -> None:
    tokenizer = load_tokenizer(tiny)
    tokenizer.chat_template = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('No system.') }}{% endif %}"
        + tokenizer.chat_template
    )
    system = [{"role": "system", "content": "Be kind."}, *asks("one")]
    encoder = Encoder(tokenizer, 64, 64)
    fine = ranking("one", ["a", "b"], [1, 2])
    assert len(encoder.groups([replace(fine, messages=system), fine])) == 1
    assert encoder.counts == {"prompts_refused": 1}
    said = Demonstration("d", "train", asks("one"), "Yes.", "ada", "training")
    assert len(encoder.examples([replace(said, messages=system), said])) == 1
    assert (
        len(encoder.prompts([Prompt("p", "train", system), Prompt("p", "train", asks("a"))])) == 1
    )
    assert encoder.counts == {"prompts_refused": 3}


def test_an_answer_that_has_no_tokens_is_skipped_and_counted(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def encode(tokenizer: Any, text: str, finished: bool) -> list[int]:
        if text == "b":
            raise PromptRefused("the embedding has no row for it")
        return [7]

    monkeypatch.setattr(data, "encode_answer", encode)
    encoder = Encoder(load_tokenizer(tiny), 64, 64)
    rankings = [ranking("one", ["a", "b"], [1, 2]), ranking("one", ["a", "c"], [1, 2])]
    assert [len(group.completions) for group in encoder.groups(rankings)] == [2]
    said = Demonstration("d", "train", asks("one"), "b", "ada", "training")
    assert len(encoder.examples([said, replace(said, response="a")])) == 1
    assert encoder.counts == {"responses_refused": 2}


def test_pretraining_text_is_cut_into_equal_blocks_with_some_held_out(
    tiny: Path, tmp_path: Path
) -> None:
    path = tmp_path / "text.txt"
    path.write_text("abcdefghij" * 12 + "rest")
    text = PretrainingText(load_tokenizer(tiny), path, length=10)
    assert len(text.blocks) == 12 - HELD_OUT_BLOCKS
    assert len(text.held_out) == HELD_OUT_BLOCKS
    block = text.blocks[0]
    assert decode(load_tokenizer(tiny), block.prompt + block.response) == "abcdefghij"
    assert len(block.prompt) == 1
    assert text.notes == {
        "pretraining_text": str(path),
        "pretraining_tokens": 124,
        "pretraining_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "pretraining_cut": False,
    }


def test_python_brings_pretraining_text_along(tiny: Path) -> None:
    assert len(PretrainingText(load_tokenizer(tiny), None, length=256).blocks) > 1000


@pytest.mark.parametrize(("content", "match"), [("short", "Name a longer"), (None, "PRETRAINING")])
def test_unusable_pretraining_text_says_what_to_do(
    tiny: Path, tmp_path: Path, content: str | None, match: str
) -> None:
    path = tmp_path / "text.txt"
    if content is not None:
        path.write_text(content)
    with pytest.raises(TrainingError, match=match):
        PretrainingText(load_tokenizer(tiny), path, length=10)


def test_cut_keeps_the_rest() -> None:
    assert cut([1, 2, 3, 4, 5], 2) == [[1, 2], [3, 4], [5]]
