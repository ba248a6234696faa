"""`import_labels`: every public shape, all or none, and what is bad by its line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labeling.intake import imports, uploads
from labeling.intake.label_options import label_options
from labeling.intake.prompts import add_prompts
from labeling.intake.rows import NewPrompt
from labeling.models import (
    Completion,
    Demonstration,
    Import,
    LabelingTask,
    LabelOrigin,
    LabelSet,
    Prompt,
    Queue,
    Ranking,
    Slot,
    StagedPrompt,
)
from labeling.queues.next_prompts import next_prompts
from tests.labeling.management.importing import run
from tests.shared_data import case

pytestmark = pytest.mark.django_db


def ranked() -> list[list[tuple[str, int]]]:
    """The answers of each ranking with their ranks, in the order in which they stood."""
    return [
        list(one.ranked.order_by("completion__position").values_list("completion__text", "rank"))
        for one in Ranking.objects.order_by("pk")
    ]


def asked() -> list[list[str]]:
    """Who says what in the prompt of each label."""
    labels = [*Ranking.objects.order_by("pk"), *Demonstration.objects.order_by("pk")]
    return [[f"{t['role']}: {t['content']}" for t in label.prompt.messages] for label in labels]


def test_hh() -> None:
    said = run(case("imports/hh.jsonl"))
    assert (said["imported"], said["rankings"], said["prompts"]) == (True, 1, 1)
    assert ranked() == [
        [("Blot it with an iron through brown paper.", 1), ("Just buy another one.", 2)]
    ]
    assert asked() == [
        [
            "user: How do I get wax out of a tablecloth?",
            "assistant: Freeze it, then scrape.",
            "user: And the stain it leaves?",
        ]
    ]


def test_hh_with_a_prompt_of_its_own_is_the_same_label() -> None:
    run(case("imports/hh.jsonl"))
    run(case("imports/hh_prompt.jsonl"))
    assert ranked()[0] == ranked()[1]
    assert asked()[0] == asked()[1]
    assert Prompt.objects.get().source == Prompt.Source.LABELS


def test_trl() -> None:
    run(case("imports/trl_plain.jsonl"))
    run(case("imports/trl_conv.jsonl"))
    assert ranked() == [
        [("blue.", 1), ("green.", 2)],
        [("Blue.", 1), ("It is green, I think.", 2)],
    ]
    assert asked() == [
        ["user: The sky is"],
        ["system: Answer in one word.", "user: What colour is the sky at noon?"],
    ]


def test_summaries_know_labeler_row_split_and_policies() -> None:
    said = run(case("imports/summarize.jsonl"))
    assert said["rankings"] == 1
    [[best, other]] = ranked()
    assert best == ("Neighbour drums at night; what to do?", 1)
    assert other == ("Drums.", 2)
    origin = LabelOrigin.objects.get()
    assert (origin.labeler, origin.row, origin.line) == ("w1", "t3_x", 1)
    assert (origin.of.name, origin.of.licence, origin.form) == ("summarize", "", "summaries")
    prompt = Prompt.objects.get()
    assert (prompt.split, prompt.use_case) == ("train", "summarization")
    assert "TITLE: Drums at night" in prompt.last_message
    models = Completion.objects.order_by("position").values_list("sampling__model", flat=True)
    assert list(models) == ["sup1", "ref"]
    ignored = Import.objects.get().tally["ignored"]
    assert set(ignored) == {"batch", "extra"}


@pytest.mark.parametrize("name", ["oasst_flat", "oasst_tree"])
def test_message_trees(name: str) -> None:
    assert run(case(f"imports/{name}.jsonl"))["rankings"] == 1
    [[first, second]] = ranked()
    assert first[0].startswith("Use a whetstone") and first[1] == 1
    assert second[0].startswith("Take it to a shop") and second[1] == 2
    assert asked() == [["user: How do I sharpen a kitchen knife at home?"]]
    assert Prompt.objects.get().language == "en"


def test_scores_make_ranks() -> None:
    run(case("imports/ultrafeedback.jsonl"))
    assert ranked() == [[("The moon pulls the sea.", 1), ("Water.", 2)]]
    assert asked() == [["user: Explain tides to a ten year old."]]


def test_instructions() -> None:
    assert run(case("imports/alpaca.jsonl"))["demonstrations"] == 3
    assert run(case("imports/dolly.jsonl"))["demonstrations"] == 2
    texts = Demonstration.objects.order_by("pk").values_list("text", flat=True)
    assert list(texts)[2:] == ["Rye, sourdough and pita.", "In 1886.", "In 2004."]
    assert asked()[0] == [
        "user: Rewrite the sentence in the past tense.\n\nThe cats sleep on the warm roof."
    ]
    assert asked()[2] == ["user: Name three kinds of bread."]
    assert Prompt.objects.filter(use_case="closed_qa").count() == 2


def test_conversations_are_told_by_line_what_is_wrong() -> None:
    said = run(case("imports/messages.jsonl"))
    assert (said["exit"], said["imported"], Demonstration.objects.count()) == (1, False, 0)
    reasons = {one["line"]: one["reason"] for one in said["rejects"]}
    assert set(reasons) == {2, 4, 5, 6, 7, 8}
    assert "tool" in reasons[2]
    assert "no answer" in reasons[4]
    assert "is empty" in reasons[6]


def test_good_lines_are_imported_when_somebody_says_so(tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    said = run(case("imports/sharegpt.jsonl"), "--skip-invalid", "--rejects", str(bad))
    assert (said["exit"], said["demonstrations"]) == (0, 4)
    lines = [json.loads(line)["line"] for line in bad.read_text().splitlines()]
    assert lines == [3, 6]
    texts = Demonstration.objects.order_by("pk").values_list("text", flat=True)
    assert texts[0] == "Crumb."
    assert asked()[1] == ["user: What weighs more, a litre of oil or of water?"]


WATER = {"prompt": "Is it wet?", "chosen": "Yes.", "rejected": "No."}


def test_a_dry_run_keeps_nothing(write_rows: Callable[..., Path]) -> None:
    said = run(write_rows(WATER), "--dry-run")
    assert (said["imported"], said["rankings"], said["prompts"]) == (False, 1, 1)
    for table in (Ranking, Prompt, LabelOrigin, StagedPrompt):
        assert not table.objects.exists()


def test_the_same_file_again_adds_nothing(write_rows: Callable[..., Path]) -> None:
    run(write_rows(WATER, {**WATER, "prompt": "And you?"}))
    said = run(write_rows(WATER, {**WATER, "prompt": "And you?"}))
    assert (said["known"], said["rankings"], Ranking.objects.count()) == (2, 0, 2)


def test_whose_it_is_is_kept(write_rows: Callable[..., Path]) -> None:
    row = {**WATER, "id": "r9", "labeler": "w3", "created_at": "2020-05-01T10:00:00Z"}
    run(write_rows(row), "--set", "puddles", "--licence", "CC-BY 4.0", "--split", "test")
    origin = LabelOrigin.objects.get()
    assert (origin.of.name, origin.of.licence) == ("puddles", "CC-BY 4.0")
    assert (origin.row, origin.labeler, origin.form) == ("r9", "w3", "pairs")
    assert origin.at and origin.at.isoformat() == "2020-05-01T10:00:00+00:00"
    ranking = Ranking.objects.get()
    assert (ranking.labeler, ranking.assignment, ranking.task.origin) == (None, None, origin)
    assert ranking.created_at == origin.at
    assert (ranking.task.purpose, ranking.prompt.split) == ("imported", "test")
    # A set whose licence is known needs it no more.
    other = write_rows({**WATER, "prompt": "Still?"}, name="more.jsonl")
    run(other, "--set", "puddles")
    assert LabelSet.objects.get().origins.count() == 2


def test_columns_of_other_names(write_rows: Callable[..., Path]) -> None:
    path = write_rows({"q": "Is it wet?", "good": "Yes.", "bad": "No.", "chosen": "ignored"})
    renamed = ("--column", "prompt=q", "--column", "chosen=good", "--column", "rejected=bad")
    assert run(path, *renamed)["rankings"] == 1
    assert ranked() == [[("Yes.", 1), ("No.", 2)]]


def test_csv_and_parquet(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text('q,chosen,rejected,split\n"Is it\nwet?",Yes.,No.,valid\n')
    assert run(table, "--column", "prompt=q")["rankings"] == 1
    columns = tmp_path / "labels.parquet"
    pq.write_table(pa.Table.from_pylist([{"instruction": "Is it dry?", "output": "No."}]), columns)
    assert run(columns)["demonstrations"] == 1
    assert Prompt.objects.filter(split="validation", messages__0__content="Is it\nwet?").exists()


def test_answers_to_be_ranked_are_an_open_task(write_rows: Callable[..., Path]) -> None:
    Queue.objects.create(kind="ranking", purpose="training", overlap=2)
    said = run(write_rows({"prompt": "Is it wet?", "responses": ["Yes.", "No.", "Perhaps."]}))
    assert (said["completions"], said["rankings"]) == (1, 0)
    task = LabelingTask.objects.get()
    assert (task.purpose, task.state, task.completions.count()) == ("training", "open", 3)
    assert Slot.objects.filter(task=task, state="free").count() == 2


def test_ties_and_aspects(write_rows: Callable[..., Path]) -> None:
    rated = [
        {"response": text, "annotations": {"a": {"Rating": a}, "b": {"Rating": b}}}
        for text, a, b in (("So.", "2", "4"), ("Thus.", "3", "3"), ("Hm.", "1", "N/A"))
    ]
    ranks = {"prompt": "Why?", "responses": ["So.", "Thus.", "Hm."], "ranks": [1, 2, 1]}
    run(write_rows(ranks, {"instruction": "Why?", "completions": rated}))
    assert ranked() == [
        [("So.", 1), ("Thus.", 2), ("Hm.", 1)],
        [("So.", 1), ("Thus.", 1), ("Hm.", 2)],
    ]


def test_liked_answers_beside_each_other_are_one_ranking(write_rows: Callable[..., Path]) -> None:
    rows = [("Why?", "So.", True), ("Why?", "Hm.", False), ("How?", "Thus.", True)]
    run(write_rows(*({"prompt": p, "completion": c, "label": good} for p, c, good in rows)))
    assert ranked() == [[("So.", 1), ("Hm.", 2)], [("Thus.", 1)]]


def test_a_tree_asks_with_the_whole_thread(write_rows: Callable[..., Path]) -> None:
    message = {"message_tree_id": "t", "synthetic": False}
    rows = [
        ("a", None, "prompter", "Why?", None),
        ("b", "a", "assistant", "So.", 1),
        ("c", "a", "assistant", "Hm.", 0),
        ("d", "b", "prompter", "And then?", None),
        ("e", "d", "assistant", "Nothing.", None),
    ]
    names = ("message_id", "parent_id", "role", "text", "rank")
    said = run(write_rows(*(message | dict(zip(names, row, strict=True)) for row in rows)))
    assert (said["lines"], said["rankings"], said["demonstrations"]) == (5, 1, 1)
    assert ranked() == [[("So.", 2), ("Hm.", 1)]]
    assert asked()[1] == ["user: Why?", "assistant: So.", "user: And then?"]
    assert len(set(Prompt.objects.values_list("split", flat=True))) == 1


def test_no_queue_asks_what_came_with_a_label(write_rows: Callable[..., Path]) -> None:
    queue = Queue.objects.create(kind="demonstration", purpose="training")
    run(write_rows(WATER, {"prompt": "Dry?", "output": "No."}), "--split", "train")
    assert next_prompts(queue, split="train", policy=None, wanted=5) == []
    wet = {"role": "user", "content": WATER["prompt"]}
    add_prompts([NewPrompt(messages=[wet])], source=Prompt.Source.IMPORT)
    [asked] = next_prompts(queue, split="train", policy=None, wanted=5)
    assert asked.prompt == Ranking.objects.get().prompt


def test_interrupted_it_goes_on(write_rows: Callable[..., Path], monkeypatch: Any) -> None:
    monkeypatch.setattr(imports, "BATCH", 10)
    path = write_rows(*({**WATER, "prompt": f"Is {n} wet?"} for n in range(25)))
    begun = uploads.named(path, what="labels", options=label_options(name=path.name, columns={}))
    assert imports.check(begun.pk, seconds=0)
    assert StagedPrompt.objects.count() == 10
    assert run(path)["rankings"] == 25
    assert Import.objects.count() == 1
