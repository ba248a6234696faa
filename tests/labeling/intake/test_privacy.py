"""Personal data is found, and what only looks like it is not: measured on a labeled corpus."""

from __future__ import annotations

import sys
import types
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from labeling.intake import privacy
from labeling.intake.cleaning import Recognisers, spans_of
from labeling.intake.privacy import Span, find, installed_names, redact
from labeling.intake.rows import NewPrompt

CORPUS = yaml.safe_load((Path(__file__).parent / "fixtures" / "personal_data.yaml").read_text())


def _found(text: str) -> set[tuple[str, str]]:
    return {(text[span.start : span.end], span.kind) for span in find(text)}


def _wanted(case: dict[str, Any]) -> set[tuple[str, str]]:
    return {(said, kind) for kind, said in (case.get("spans") or [])}


def test_precision_and_recall_on_the_labeled_corpus() -> None:
    """Exact spans: 0.97 or better each, over the whole corpus."""
    assert len(CORPUS) >= 60
    pairs = [(_found(case["text"]), _wanted(case)) for case in CORPUS]
    right = sum(len(found & wanted) for found, wanted in pairs)
    precision = right / sum(len(found) for found, _ in pairs)
    recall = right / sum(len(wanted) for _, wanted in pairs)
    missed = [(found, wanted) for found, wanted in pairs if found != wanted]
    assert precision >= 0.97, (precision, missed)
    assert recall >= 0.97, (recall, missed)


def test_each_kind_is_in_the_corpus_with_hard_negatives() -> None:
    kinds = {kind for case in CORPUS for kind, _ in case.get("spans") or []}
    assert kinds == set(privacy.Kind) - {privacy.Kind.NAME, privacy.Kind.UNREAD}
    assert sum(not case.get("spans") for case in CORPUS) >= 25


def test_redaction_puts_the_kind_in_the_place() -> None:
    text = "Mail ada@lovelace.io or call +44 20 7946 0958."
    assert redact(text, find(text)) == "Mail [EMAIL] or call [PHONE]."
    assert find(redact(text, find(text))) == []


def test_spans_never_overlap() -> None:
    text = "Card 4111 1111 1111 1111, +1 650 253 0000, 8.8.4.4, x@y.org 078-05-1121"
    spans = find(text)
    assert all(one.end <= two.start for one, two in pairwise(spans))


def test_names_are_found_where_a_recogniser_is_installed(monkeypatch: Any) -> None:
    entity = types.SimpleNamespace(start_char=5, end_char=17, label_="PERSON")
    place = types.SimpleNamespace(start_char=21, end_char=27, label_="GPE")
    read = types.SimpleNamespace(ents=[entity, place])
    spacy = types.SimpleNamespace(load=lambda name: lambda text: read)
    monkeypatch.setitem(sys.modules, "spacy", spacy)
    installed_names.cache_clear()
    text = "I am Ada Lovelace of London."
    names = installed_names("en_core_web_sm")
    assert find(text, names=names) == [Span(5, 17, "name")]
    assert redact(text, find(text, names=names)) == "I am [NAME] of London."
    installed_names.cache_clear()
    assert installed_names("") is None


def test_a_text_without_digits_or_signs_says_nothing() -> None:
    assert find("Write a poem about the sea, in the manner of Emily Dickinson.") == []
    assert find("") == []


def test_a_long_hostile_text_is_read_in_linear_time() -> None:
    """Runs of what each pattern begins with; quadratic backtracking would never end."""
    for piece in ("1 ", "a@", "1.", "a:", "password is ", "-----BEGIN PRIVATE KEY-----", "eyJ"):
        find(piece * (20_000 // len(piece)))


def test_what_is_not_read_is_marked_and_nothing_behind_it_is_missed() -> None:
    line = "Call 650 253 0000 or mail ada@lovelace.io.\n"
    text = line * 1000
    spans = find(text)
    assert spans[-1].kind == privacy.Kind.UNREAD
    assert spans[-1].end == len(text)
    read = text[: spans[-1].start]
    assert sum(character.isdigit() for character in read) == 6_000
    assert len(spans) == 1 + 2 * read.count("\n")
    assert "ada@" not in redact(text, spans)


@pytest.mark.parametrize("piece", ["7", "1 ", "8.8.4.4 ", "٣", "6", "word ", "a@b.", "::"])
def test_a_hostile_text_is_read_no_further_than_one_of_its_kind_that_is_long_enough(
    piece: str,
) -> None:
    """The work is bounded: ten times the text gives the same but for the end of what is unread."""
    shorter, longer = piece * (150_000 // len(piece)), piece * (1_000_000 // len(piece))
    *found, unread = find(shorter)
    assert find(longer) == [*found, Span(unread.start, len(longer), "unread")]


def test_the_parts_of_a_prompt_share_one_effort() -> None:
    turns = [{"role": "user", "content": "1 " * 2_500}, {"role": "assistant", "content": "Yes."}]
    prompt = NewPrompt(messages=turns * 3, instruction="", examples=[])
    unread = [span for span in spans_of(prompt, Recognisers()) if span["kind"] == "unread"]
    assert len(unread) == 1
    assert (unread[0]["part"], unread[0]["start"]) == ("messages.4", 2 * 1_000)


def test_of_spans_that_overlap_the_longest_is_kept() -> None:
    spans = [Span(0, 4, "a"), Span(3, 9, "b"), Span(9, 10, "c"), Span(2, 3, "d"), Span(8, 10, "e")]
    assert privacy._disjoint(spans) == [Span(2, 3, "d"), Span(3, 9, "b"), Span(9, 10, "c")]
