"""Ranks, duplicates and few-shot expansion: the pure functions."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.intake import dedupe, few_shot
from labeling.intake.dedupe import fingerprint, prefix_fingerprint, spoken
from labeling.intake.languages import language_of
from labeling.intake.prompts import split_of
from labeling.work.preferences import pairs, ranks_of


def test_a_tier_is_a_tie() -> None:
    assert ranks_of([["b"], ["a", "c"]]) == {"b": 1, "a": 2, "c": 2}


def test_ties_give_no_pair() -> None:
    assert pairs([2, 1, 2]) == [(1, 0), (1, 2)]


@given(st.permutations(range(1, 10)))
def test_nine_untied_completions_give_36_pairs(ranks: list[int]) -> None:
    found = pairs(ranks)
    assert len(found) == 36
    assert all(ranks[better] < ranks[worse] for better, worse in found)


def _said(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def test_case_space_and_unicode_form_do_not_tell_prompts_apart() -> None:
    assert fingerprint(_said("Ｗhy  is\nÅ?")) == fingerprint(_said("why is Å?"))
    assert fingerprint(_said("why")) != fingerprint([{"role": "system", "content": "why"}])


def test_a_long_beginning_is_shared() -> None:
    start = "once upon a time " * 20
    one, other = spoken(_said(start + "a")), spoken(_said(start.upper() + "b"))
    assert prefix_fingerprint(one) == prefix_fingerprint(other)
    assert prefix_fingerprint("short") == ""


@given(st.text(min_size=1), st.text())
def test_one_organisation_is_on_one_side(organisation: str, author: str) -> None:
    assert split_of(author, organisation, "x") == split_of("", organisation, "y")


def test_the_split_is_about_80_10_10() -> None:
    sides = [split_of(f"author {n}", "", "") for n in range(5000)]
    assert abs(sides.count("train") / 5000 - 0.8) < 0.02
    assert abs(sides.count("test") / 5000 - 0.1) < 0.02


def test_n_pairs_become_n_examples_with_other_pairs_as_context() -> None:
    solved = [{"input": f"in {n}", "output": f"out {n}"} for n in range(4)]
    examples = list(few_shot.expanded("Do it.", solved, seed=3))
    assert [response for _, response in examples] == ["out 0", "out 1", "out 2", "out 3"]
    for number, (text, response) in enumerate(examples):
        assert text.endswith(f"Input: in {number}\nOutput:")
        assert response not in text
    assert examples == list(few_shot.expanded("Do it.", solved, seed=3))


def test_prompts_that_are_alike_share_a_band() -> None:
    text = "Explain to a curious child how a steam engine turns heat into motion, with examples."
    alike = text.replace("engine turns", "engine turn")
    other = "Write a polite letter to the landlord about the broken heating on the second floor."
    assert dedupe.similarity(text, alike) > dedupe.ALIKE > 0.2 > dedupe.similarity(text, other)
    keys = [set(dedupe.band_keys(said)) for said in (text, alike, other)]
    assert len(keys[0]) == dedupe.BANDS
    assert keys[0] & keys[1]
    assert not keys[0] & keys[2]


def test_the_similarity_is_jaccards() -> None:
    assert dedupe.similarity("abcdefg", "abcdefg") == 1
    assert dedupe.similarity("abcdef", "bcdefg") == 1 / 3  # abcde, bcdef | bcdef, cdefg
    assert dedupe.similarity("", "") == 0
    assert dedupe.band_keys("Hi") == []


@pytest.mark.parametrize("signs", ["ab", "aβ漢🙂 ", "the quick brown fox jumps over the lazy dog"])
def test_the_similarity_is_that_of_the_sets_of_shingles(signs: str) -> None:
    chance = random.Random(signs)
    texts = ["".join(chance.choices(signs, k=chance.randrange(200))) for _ in range(40)]
    for one, other in itertools.combinations([*texts, texts[0]], 2):
        first, second = set(dedupe.shingles(one)), set(dedupe.shingles(other))
        both = len(first & second)
        assert dedupe.similarity(one, other) == both / max(1, len(first | second))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Why is the sky blue in summer?", "en"),
        ("Schreibe ein Gedicht über das Meer.", "de"),
        ("Traduce al inglés: me gusta el pan", "es"),
        ("2 + 2", ""),
        ("Hi", ""),
    ],
)
def test_the_language_is_told_where_the_text_says_it(text: str, code: str) -> None:
    assert language_of(text) == code
