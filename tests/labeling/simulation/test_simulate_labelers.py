"""Simulated labelers: what they want, how they judge, and a crew at work over HTTP."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from io import StringIO
from statistics import fmean
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from labeling.models import Assignment, Demonstration, LabelerProfile, Ranking
from labeling.simulation.answers import demo_demonstrations, demonstration
from labeling.simulation.judge import PERSONAS, Judge, Persona, noise_width
from labeling.simulation.utilities import concise
from labeling.work.preferences import pairs, ranks_of

Call = Callable[..., Any]
ASKED = [{"role": "user", "content": "How do I water a tomato plant?"}]


def test_the_utility_likes_short_finished_answers_on_topic() -> None:
    best = concise(ASKED, "Water the tomato plant at its root every second morning.")
    unfinished = concise(ASKED, "Water the tomato plant at its root every second morning and")
    long = concise(ASKED, "Water the tomato plant. " * 30)
    strayed = concise(ASKED, "Ships sail over the wide sea to far away lands today.")
    assert best > unfinished
    assert best > long
    assert best > strayed
    assert concise(ASKED, "") == concise(ASKED, " \n") == 0


def test_a_judge_without_noise_orders_by_utility() -> None:
    judge = Judge(lambda messages, text: len(text), Persona("p"), flips=0, ties=0)
    judgment = judge.judge(ASKED, {"a": "x", "b": "xxx", "c": "xx", "d": "xx"})
    assert judgment.tiers == [["b"], ["c", "d"], ["a"]]
    assert judgment.overall["b"] > judgment.overall["c"] == judgment.overall["d"]


@pytest.mark.heavy
@pytest.mark.parametrize("flips", [0.05, 0.15, 0.3])
def test_noise_flips_the_share_of_pairs_asked_for(flips: float) -> None:
    judge = Judge(lambda messages, text: float(text), Persona("p"), flips=flips, ties=0)
    chance, flipped = random.Random(1), []
    for _ in range(600):
        texts = {str(n): f"{chance.random():.6f}" for n in range(4)}
        ranks = ranks_of(judge.judge(ASKED, texts).tiers)
        found = pairs([ranks[str(n)] for n in range(4)])
        flipped += [float(texts[str(a)]) < float(texts[str(b)]) for a, b in found]
    assert fmean(flipped) == pytest.approx(flips, abs=0.025)


def test_no_difference_needs_no_noise() -> None:
    assert noise_width([0.0, 0.0], 0.2) == 0


def test_ratings_never_contradict_the_ranking() -> None:
    judge = Judge(concise, PERSONAS[1], flips=0.3)
    for seed in range(50):
        chance = random.Random(seed)
        texts = {
            str(n): " ".join(chance.choices(["water", "tomato.", "plant", "a"], k=9))
            for n in range(6)
        }
        judgment = judge.judge(ASKED, texts)
        ratings = [judgment.overall[item] for tier in judgment.tiers for item in tier]
        assert ratings == sorted(ratings, reverse=True)


def test_a_known_prompt_gets_its_demonstration_and_others_a_good_template() -> None:
    known = next(iter(demo_demonstrations()))
    assert (
        demonstration([{"role": "user", "content": known}], concise) == demo_demonstrations()[known]
    )
    assert concise(ASKED, demonstration(ASKED, concise)) > 2.5


@pytest.mark.django_db(transaction=True)
def test_a_crew_fills_its_order_over_http(live_server: Any, make_task: Call) -> None:
    for n in range(6):
        make_task(k=5, split="validation" if n % 2 else "train")
        make_task("demonstration")
    out = StringIO()
    call_command(
        "simulate_labelers",
        "--url",
        live_server.url,
        "--rankings",
        "6",
        "--demonstrations",
        "4",
        "--patience",
        "20",
        "--json",
        stdout=out,
    )
    made = json.loads(out.getvalue())["labels"]
    assert sum(counts.get("ranking", 0) for counts in made.values()) == Ranking.objects.count() == 6
    assert Demonstration.objects.count() == 4
    assert LabelerProfile.objects.get(group="held_out").user.username == "sim-eli"
    held_out = Ranking.objects.filter(labeler__labeler__group="held_out")
    assert not held_out.filter(prompt__split="train").exists()
    assert Assignment.objects.filter(draft_version=0).count() == 0


@pytest.mark.django_db(transaction=True)
def test_it_says_what_is_missing_when_no_task_comes(live_server: Any) -> None:
    with pytest.raises(CommandError, match="missing: 3 ranking"):
        call_command(
            "simulate_labelers", "--url", live_server.url, "--rankings", "3", "--patience", "0.1"
        )


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["nowhere:f", "labeling.simulation.utilities:nothing", "x"])
def test_it_refuses_an_unknown_utility(name: str) -> None:
    with pytest.raises(CommandError, match="no utility"):
        call_command("simulate_labelers", "--utility", name)
