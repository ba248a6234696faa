"""Scores in parts: their sum against a plain one, and every way in which a function can fail."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from models_service.lm.checkpoint import load_policy, load_tokenizer, save_reward
from models_service.lm.heads import ScalarModel
from tests.trainer.algorithms.conftest import PAD, PPO_OPTIONS
from trainer.algorithms.config import ConfigError
from trainer.algorithms.contract import Starts, TrainingError
from trainer.algorithms.distributed.group import Crew
from trainer.algorithms.distributed.job import Job
from trainer.algorithms.episodes import Episodes
from trainer.algorithms.reward_functions import not_allowed, weights_of
from trainer.algorithms.reward_parts import RewardParts, ask, imported
from trainer.algorithms.rollouts import Judged
from trainer.algorithms.settings import PPOConfig
from trainer.algorithms.trunks import TRUNKS

HERE = __name__
broken = {"now": True}


def words(messages: Sequence[Mapping[str, str]], text: str) -> float:
    """As many as the prompt and the answer have."""
    return len(messages[-1]["content"].split()) + 0.25 * len(text)


def raising(messages: Any, text: str) -> float:
    raise KeyError("colour")


def nothing(messages: Any, text: str) -> Any:
    return math.nan


def speechless(messages: Any, text: str) -> Any:
    return None


def hanging(messages: Any, text: str) -> float:
    threading.Event().wait(60)
    return 0.0


def mended_later(messages: Any, text: str) -> float:
    if broken["now"]:
        raise ValueError("not yet")
    return 1.0


def settings(**options: Any) -> PPOConfig:
    return PPOConfig.from_dict(PPO_OPTIONS | options)


def test_a_score_is_the_sum_of_its_parts(tiny: Path) -> None:
    config = settings(
        reward_weight=0.5, reward_functions=f"{HERE}:words=2", disagreement_penalty=3.0,
        length_penalty=0.125, score_clip=4.0,
    )  # fmt: skip
    messages = {(5,): [{"role": "user", "content": "one two"}]}
    parts = RewardParts(config, load_tokenizer(tiny), messages, Crew())
    episodes = Episodes([[5], [5]], [[70, 71, 72], [70]], [[0.0] * 3, [0.0]], [False, False])
    judged = [Judged(-8.0, [0.0] * 3, disagreement=0.5), Judged(2.0, [0.0], disagreement=0.0)]
    for one, before, tokens, text in zip(
        parts.apply(episodes, judged), judged, (3, 1), (3, 1), strict=True
    ):
        said = {
            "model": 0.5 * before.score,
            "disagreement": -0.5 * 3.0 * before.disagreement,
            "length": -0.125 * tokens,
            f"{HERE}:words": 2 * (2 + 0.25 * text),
        }
        whole = sum(said.values())
        said["clipped"] = max(-4.0, min(4.0, whole)) - whole
        assert one.parts == pytest.approx(said)
        assert one.score == pytest.approx(sum(said.values()))
        assert abs(one.score) <= 4.0
        assert one.ref_logprobs == before.ref_logprobs
    assert parts.apply(episodes, judged)[1].parts["clipped"] < 0, "the second was too high"


def test_with_nothing_set_a_score_is_the_reward_model_s_to_the_bit(tiny: Path) -> None:
    parts = RewardParts(settings(), load_tokenizer(tiny), {}, Crew())
    episodes = Episodes([[5]], [[70]], [[0.0]], [True])
    judged = [Judged(0.1 + 0.2, [0.0], disagreement=0.3)]
    assert parts.apply(episodes, judged) == judged


@pytest.mark.parametrize("trunk", ["separate", "shared"])
def test_the_heads_of_an_ensemble_disagree_by_their_sd(
    tiny: Path, episodes: Episodes, trunk: str
) -> None:
    policy, _ = load_policy(tiny)
    reward = ScalarModel.from_policy(policy, seed=3, heads=3)
    kind = TRUNKS[trunk](settings(trunk=trunk), policy, reward, PAD, Crew())
    for i, one in enumerate(kind.judge(episodes)):
        ids = torch.tensor([episodes.prompts[i] + episodes.responses[i]])
        with torch.no_grad():
            heads = reward.opinions(reward.hidden(ids, torch.ones_like(ids)))[0, -1].tolist()
        mean = sum(heads) / 3
        sd = math.sqrt(sum((x - mean) ** 2 for x in heads) / 3)
        assert one.score == pytest.approx(mean, abs=1e-5)
        assert one.disagreement == pytest.approx(sd, abs=1e-5)
        assert sd > 1e-3


@pytest.mark.parametrize(
    ("function", "match"),
    [
        (raising, r"tests:x raised KeyError: 'colour'. Mend it and retry"),
        (nothing, r"tests:x returned nan, which is not a finite number"),
        (speechless, r"tests:x returned None, which is not a finite number"),
        (hanging, r"tests:x took longer than 0.05 seconds for one response"),
    ],
)
def test_what_a_function_does_wrong_is_said_with_its_name(
    function: Callable[[Any, str], float], match: str
) -> None:
    with pytest.raises(TrainingError, match=match):
        ask("tests:x", function, [([], "a")], 0.05)


@pytest.mark.parametrize("name", [f"{HERE}:missing", "no.such_module:f"])
def test_a_function_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(TrainingError, match=f"{name} cannot be imported"):
        imported(name)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("os.system", "not of the form module:function"),
        ("a:b, a:b=2", "a:b is named twice"),
        ("a:b=-1", "weight of a:b must be a number of at least 0"),
        ("a:b=nan", "weight of a:b must be a number"),
        ("a:b=much", "not 'much'"),
    ],
)
def test_settings_that_name_no_function_are_refused(text: str, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        settings(reward_functions=text)


def test_weights_that_are_all_0_are_refused_and_others_are_read() -> None:
    assert weights_of(" a.b:c = 0.5 ,d:e") == {"a.b:c": 0.5, "d:e": 1.0}
    with pytest.raises(ConfigError, match="no score is left"):
        settings(reward_weight=0.0)
    with pytest.raises(ConfigError, match="no score is left"):
        settings(reward_weight=0.0, reward_functions="a:b=0")
    assert settings(reward_weight=0.0, reward_functions="a:b=0.5").reward_weight == 0


def test_only_what_the_installation_lists_may_be_imported() -> None:
    assert not_allowed("a:b=2, c:d", ["a:b", "c:d"]) == ""
    assert not_allowed("a:b, os:abort", ["a:b"]).startswith("os:abort is not among")
    assert not_allowed("", []) == ""


@pytest.mark.parametrize("stage", ["ppo", "rloo"])
def test_a_run_that_a_function_failed_goes_on_when_it_is_mended(
    tiny: Path, snapshot: Path, tmp_path: Path, make_recorder, stage: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    policy, tokenizer = load_policy(tiny)
    save_reward(ScalarModel.from_policy(policy, seed=3), tokenizer, tmp_path / "reward")
    start = Starts(tiny, tmp_path / "reward")
    options = PPO_OPTIONS | {
        "ptx_coefficient": 0.0, "checkpoint_every": 1, "evaluate_every": 9, "iterations": 3,
        "reward_functions": f"{HERE}:mended_later=0.5", "length_penalty": 0.01,
    }  # fmt: skip
    if stage == "rloo":
        del options["value_learning_rate"]

    def run(name: str):
        job = Job(
            stage,
            options,
            str(snapshot),
            {"policy": str(start.policy), "reward": str(start.reward)},
            str(tmp_path / name / "out"),
            str(tmp_path / name / "work"),
        )
        recorder = make_recorder()
        if name == "parts":  # it breaks in the second iteration
            told = recorder.metrics

            def metrics(step: int, total: int, values: Mapping[str, float]) -> None:
                told(step, total, values)
                broken["now"] = step == 1 and breaks

            monkeypatch.setattr(recorder, "metrics", metrics)
        return job.do(recorder), recorder

    broken["now"] = breaks = False
    whole, recorder = run("whole")
    breaks = True
    with pytest.raises(TrainingError, match=r"mended_later raised ValueError: not yet\. Mend it"):
        run("parts")
    assert (tmp_path / "parts" / "work" / "state-1").is_dir()
    broken["now"] = breaks = False
    assert run("parts")[0] == whole
    scores = recorder.series("objective/scores")
    for name in (f"{HERE}:mended_later", "model", "length"):
        assert len(recorder.series(f"objective/part/{name}")) == 3
    assert recorder.series(f"objective/part/{HERE}:mended_later") == [0.5] * 3
    names = [n for n in recorder.steps[1][2] if n.startswith("objective/part/")]
    sums = [sum(recorder.series(n)[i] for n in names) for i in range(3)]
    assert sums == pytest.approx(scores, abs=1e-5)
