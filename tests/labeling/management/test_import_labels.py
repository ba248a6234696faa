"""`import_labels`: every public shape, all or none, and what is bad by its line."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from labeling.models import (
    Completion,
    Demonstration,
    Import,
    LabelingTask,
    LabelOrigin,
    LabelSet,
    Prompt,
    RankedCompletion,
    Ranking,
    Slot,
    StagedPrompt,
)
from tests.shared_data import case

pytestmark = pytest.mark.django_db
Row = dict[str, Any]
Said = tuple[list[Row], str, tuple[tuple[str, int | None], ...]]


def run(path: Path, *options: str) -> Row:
    """What the command says with `--json`; `exit` is its exit code."""
    out, code = StringIO(), 0
    try:
        call_command("import_labels", str(path), "--json", *options, stdout=out, stderr=StringIO())
    except SystemExit as ended:
        code = int(ended.code or 0)
    return {**json.loads(out.getvalue()), "exit": code}


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    """`file(row, row)`: JSON lines called `labels.jsonl`."""

    def write(*rows: Any, name: str = "labels.jsonl") -> Path:
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return write


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
    assert asked() == [[
        "user: How do I get wax out of a tablecloth?",
        "assistant: Freeze it, then scrape.",
        "user: And the stain it leaves?",
    ]]  # fmt: skip


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
    path = case("imports/messages.jsonl")
    said = run(path)
    assert (said["exit"], said["imported"], Demonstration.objects.count()) == (1, False, 0)
    reasons = {one["line"]: one["reason"] for one in said["rejects"]}
    assert set(reasons) == {2, 4, 5, 6, 7, 8}
    assert "tool" in reasons[2]
    assert "no answer" in reasons[4]
    assert "is empty" in reasons[6]
    rejects = path.parent / "nowhere"
    assert not rejects.exists()


def test_good_lines_are_imported_when_somebody_says_so(tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    said = run(case("imports/sharegpt.jsonl"), "--skip-invalid", "--rejects", str(bad))
    assert (said["exit"], said["demonstrations"]) == (0, 4)
    lines = [json.loads(line)["line"] for line in bad.read_text().splitlines()]
    assert lines == [3, 6]
    texts = Demonstration.objects.order_by("pk").values_list("text", flat=True)
    assert list(texts)[0] == "Crumb."
    assert asked()[1] == ["user: What weighs more, a litre of oil or of water?"]
