"""Best of n: its yardstick against brute force, its choice, its repeatability, its refusals."""

from __future__ import annotations

import itertools
import math
import random
import statistics
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models_service.lm.checkpoint import load_policy, load_reward
from models_service.lm.generation import Sampling, generate
from trainer.algorithms import best_of_n
from trainer.algorithms.best_of_n import choose, expected_best, kl_of_best, yardstick
from trainer.algorithms.contract import Result, Starts, TrainingError
from trainer.algorithms.episodes import score_episodes
from trainer.algorithms.settings import BestOfNConfig

OPTIONS = {"n": 4, "prompts": 4, "max_prompt_tokens": 64, "max_response_tokens": 8}


@pytest.fixture
def run(tiny: Path, tiny_reward: Path, snapshot: Path, recorder):
    def run(report=recorder, start: Starts | None = None, **options) -> Result:
        return best_of_n.measure(
            BestOfNConfig.from_dict(OPTIONS | options),
            snapshot=snapshot,
            start=start or Starts(tiny, tiny_reward),
            report=report,
        )

    return run


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=7), st.integers(1, 7))
@settings(max_examples=60, deadline=None)
def test_the_expected_best_is_the_mean_over_all_draws(scores: list[float], k: int) -> None:
    k = min(k, len(scores))
    brute = statistics.mean(max(draw) for draw in itertools.combinations(scores, k))
    assert expected_best(scores, k) == pytest.approx(brute)


@pytest.mark.parametrize("n", [1, 2, 5, 16])
def test_its_kl_is_that_of_the_best_of_n_continuous_scores(n: int) -> None:
    # With u uniform the best of n has density n·u^(n−1): KL = ∫ n u^(n−1) ln(n u^(n−1)) du.
    u = (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000
    density = n * u ** (n - 1)
    assert kl_of_best(n) == pytest.approx(float((density * density.log()).mean()), abs=1e-4)


def test_the_yardstick_goes_by_powers_of_two_to_n() -> None:
    rng = random.Random(0)
    scores = [[rng.gauss(0, 1) for _ in range(6)] for _ in range(50)]
    curve = yardstick(scores)
    assert [point["n"] for point in curve] == [1, 2, 4, 6]
    assert curve[0]["kl"] == 0 and curve[1]["kl"] == pytest.approx(math.log(2) - 0.5)
    values = [point["score"]["value"] for point in curve]
    assert values == sorted(values)
    assert values[0] == pytest.approx(statistics.mean(s for row in scores for s in row))
    assert values[-1] == pytest.approx(statistics.mean(map(max, scores)))
    spread = statistics.stdev(map(max, scores)) / math.sqrt(50)
    assert curve[-1]["score"]["high"] - values[-1] == pytest.approx(2.01 * spread, rel=0.01)
    assert [point["n"] for point in yardstick([[1.0]])] == [1]


def test_the_best_row_of_each_group_is_chosen() -> None:
    assert choose([1.0, 3.0, 2.0, 0.0, -1.0, 0.0], 3) == [1, 3]


def test_the_best_are_the_reward_model_s_favourites(tiny: Path, tiny_reward: Path) -> None:
    policy, (judge, _) = load_policy(tiny)[0], load_reward(tiny_reward)
    prompts, sampling = [[5, 9], [7, 8, 9], [5, 9]], Sampling(6, 1.0, 3, (1,), 0)
    best = best_of_n.sample_best(policy, judge, prompts, 4, sampling, budget=64)
    drawn = generate(policy, prompts, 4, sampling)
    for i, prompt in enumerate(prompts):
        rows = [torch.tensor([prompt + one.tokens]) for one in drawn[i]]
        with torch.no_grad():
            scores = [float(judge.scores(row, torch.ones_like(row))) for row in rows]
        assert best.responses[i] == drawn[i][scores.index(max(scores))].tokens
    # A prompt that comes again is answered anew.
    assert best.responses[0] != best.responses[2]
    assert score_episodes(judge, best, 0, 64).shape == (3,)


def test_a_run_measures_one_answer_and_the_best(run, recorder) -> None:
    result = run()
    curve = result.notes["curve"]
    assert [point["n"] for point in curve] == [1, 2, 4]
    assert result.metrics["best_of_n/score"] == curve[-1]["score"]["value"]
    assert result.metrics["best_of_n/score"] > result.metrics["best_of_n/score_of_one"]
    assert result.metrics["best_of_n/kl"] == pytest.approx(math.log(4) - 0.75)
    assert len(recorder.samples[0][1]) == 4
    assert recorder.series("time/generate") and recorder.series("time/score")
    assert run().notes == result.notes


def test_a_prompt_that_comes_again_is_answered_anew_in_a_later_step_too(
    run, write_snapshot, lines: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = next(x for x in lines if x["type"] == "prompt" and x["split"] == "validation")
    write_snapshot([{**one, "id": f"p{i}"} for i in range(3)])
    monkeypatch.setattr(best_of_n, "PROMPTS_A_STEP", 2)
    drawn: list[tuple[int, ...]] = []
    candidates = best_of_n.candidates

    def listening(*arguments):
        episodes = candidates(*arguments)
        drawn.extend(map(tuple, episodes.responses))
        return episodes

    monkeypatch.setattr(best_of_n, "candidates", listening)
    run(prompts=3)
    assert len(drawn) == len(set(drawn)) == 3 * OPTIONS["n"]


def test_it_stops_when_it_is_asked_to(run, make_recorder) -> None:
    assert run(report=make_recorder(stop_after=0)) == Result(0, stopped=True)


def test_it_says_what_it_lacks(
    run, tiny: Path, foreign_reward: Path, write_snapshot, lines: list
) -> None:
    with pytest.raises(TrainingError, match="Train one on rankings first"):
        run(start=Starts(tiny))
    with pytest.raises(TrainingError, match="policy and the reward model use different tokenizers"):
        run(start=Starts(tiny, foreign_reward))
    write_snapshot([line for line in lines if line["split"] != "validation"])
    with pytest.raises(TrainingError, match=r"no validation prompt to answer.*Import some"):
        run()
