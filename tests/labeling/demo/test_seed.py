"""The demo data of a first start."""

from __future__ import annotations

import pytest

from labeling.demo.seed import seed_demo
from labeling.models import FormVersion, Guideline, Prompt, Queue
from labeling.simulation.answers import demo_demonstrations

pytestmark = pytest.mark.django_db


def test_it_fills_an_empty_installation_once() -> None:
    seed_demo()
    counts = [model.objects.count() for model in (Prompt, Guideline, FormVersion, Queue)]
    assert counts[0] >= 120
    seed_demo()
    assert counts == [m.objects.count() for m in (Prompt, Guideline, FormVersion, Queue)]


def test_no_demo_prompt_counts_as_a_duplicate() -> None:
    added = seed_demo()
    assert (added.duplicates, added.near_duplicates, added.over_limit) == (0, 0, 0)


def test_every_split_kind_and_use_case_is_among_them() -> None:
    seed_demo()
    for field, number in (("split", 3), ("kind", 3), ("use_case", 10)):
        assert Prompt.objects.values(field).distinct().count() == number


def test_the_form_has_eleven_flags_with_keys_of_their_own() -> None:
    seed_demo()
    flags = FormVersion.objects.get().fields["flags"]
    assert len(flags) == len({flag["name"] for flag in flags}) == 11
    assert len({flag["key"] for flag in flags}) == 11
    assert {flag["group"] for flag in flags} == {"task", "harm", "stance"}


def test_every_demonstration_answers_a_demo_prompt() -> None:
    seed_demo()
    asked = {prompt.last_message for prompt in Prompt.objects.all()}
    assert set(demo_demonstrations()) <= asked
