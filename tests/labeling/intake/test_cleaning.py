"""Prompts are cleaned on their way in: duplicates, languages, personal data, the split."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from labeling.checks import names_pipeline
from labeling.intake.cleaning import Recognisers, examined, redacted, spans_of
from labeling.intake.parts import changed, parts
from labeling.intake.prompts import Added, add_prompts, split_of
from labeling.intake.rows import NewPrompt, parse
from labeling.models import Prompt

LIST = (
    "Write a shopping list for a family of four that wants to eat well for a week: bread, "
    "tomatoes, rice, beans, and whatever else {} they need."
)
OTHERS = ["Why is the sky blue on a clear day?", "Translate 'good morning' into Finnish."]
FEW_SHOT = {
    "kind": "few_shot",
    "instruction": "Whose address is this?",
    "examples": [
        {"input": "ada@lovelace.io", "output": "Ada"},
        {"input": "bob@builder.io", "output": "Bob"},
    ],
}


def _add(*texts: str, **fields: Any) -> Added:
    rows = [NewPrompt([{"role": "user", "content": text}], **fields) for text in texts]
    return add_prompts(rows, source="import")


@pytest.mark.django_db
@pytest.mark.parametrize("at_once", [True, False])
def test_prompts_that_are_alike_are_linked_to_the_one_kept(at_once: bool) -> None:
    texts = [*OTHERS, LIST.format("you think"), f"Please. {LIST.format('you think')}"]
    results = [_add(*texts)] if at_once else [_add(text) for text in texts]
    assert sum(result.near_duplicates for result in results) == 1
    linked = Prompt.objects.get(state="duplicate")
    assert linked.last_message.startswith("Please.")
    assert linked.duplicate_of.last_message == texts[2]


@pytest.mark.django_db
def test_a_third_one_is_linked_to_the_first_and_not_to_the_second() -> None:
    _add(LIST.format("you think"), f"Please. {LIST.format('you think')}")
    _add(f"Please! {LIST.format('you think')}")
    kept = Prompt.objects.get(duplicate_of=None)
    assert set(Prompt.objects.exclude(pk=kept.pk).values_list("duplicate_of", flat=True)) == {
        kept.pk
    }


@pytest.mark.django_db
def test_personal_data_puts_a_prompt_into_quarantine() -> None:
    result = _add("Write to ada@lovelace.io, please.", "Write to her, please.")
    assert (result.added, result.quarantined) == (1, 1)
    prompt = Prompt.objects.get(state="quarantined")
    assert prompt.spans == [{"part": "messages.0", "start": 9, "end": 24, "kind": "email"}]


@pytest.mark.django_db
def test_a_prompt_like_a_quarantined_one_is_kept() -> None:
    _add(LIST.format("ada@lovelace.io says"))
    assert _add(LIST.format("she says")).added == 1


@pytest.mark.django_db
def test_the_language_is_detected_where_none_is_named() -> None:
    _add("Warum ist der Himmel blau, wenn die Sonne scheint?", "xyz 12")
    _add("Why is the sky blue when the sun shines?", language="xx")
    assert list(Prompt.objects.order_by("pk").values_list("language", flat=True)) == [
        "de",
        "",
        "xx",
    ]


@pytest.mark.django_db
def test_the_database_lets_no_prompt_change_sides() -> None:
    _add("Why?")
    for side in {"train", "validation", "test"} - {Prompt.objects.get().split}:
        with pytest.raises(IntegrityError, match="stays on its side"), transaction.atomic():
            Prompt.objects.update(split=side)


@pytest.mark.django_db
def test_the_database_knows_the_side_of_every_author() -> None:
    names = [f"author {number}" for number in range(200)] + ["Ünï 🙂"]
    for name in names:
        _add(f"Question of {name}?", author=name)
    _add("Acme asks.", author="author 1", organisation="Acme")
    wrong = {"train": "test", "validation": "train", "test": "validation"}
    with pytest.raises(IntegrityError, match="prompt_split_by_hash"), transaction.atomic():
        side = wrong[split_of("x", "", "")]
        Prompt.objects.create(messages=[], author="x", split=side, source="api", fingerprint="x")


def test_few_shot_prompts_are_read_pair_by_pair_and_redacted_as_a_whole() -> None:
    row = parse(FEW_SHOT)
    spans = spans_of(row, Recognisers())
    assert [span["part"] for span in spans] == ["examples.0.input", "examples.1.input"]
    messages, _, examples = changed(row, redacted(row, spans))
    assert [pair["input"] for pair in examples] == ["[EMAIL]", "[EMAIL]"]
    assert messages[0]["content"].endswith("Input: [EMAIL]\nOutput:")
    assert messages[0]["content"].count("[EMAIL]") == 2


def test_every_message_is_a_part() -> None:
    row = parse(
        {"messages": [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}]}
    )
    assert parts(row) == {"messages.0": "a", "messages.1": "b"}
    assert changed(row, {"messages.1": "c"})[0][1] == {"role": "user", "content": "c"}


def test_what_is_staged_comes_back_as_it_was() -> None:
    [one] = examined([parse(FEW_SHOT)], Recognisers())
    assert type(one).from_dict(one.as_dict()) == one


def test_a_names_pipeline_that_is_not_installed_stops_the_start(settings: Any) -> None:
    assert names_pipeline(None) == []
    settings.NAMES_PIPELINE = "no_such_pipeline"
    [error] = names_pipeline(None)
    assert (error.id, "not installed" in error.msg) == ("labeling.E001", True)
