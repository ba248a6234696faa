"""Whether prompts and responses fit into what a model reads: told before anything is loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models_service.lm.context import context_of
from tests.trainer.algorithms.conftest import PPO_OPTIONS, Recorder
from trainer.algorithms import best_of_n, policy_vs_baseline
from trainer.algorithms.contract import Starts, TrainingError
from trainer.algorithms.distributed.job import Job
from trainer.algorithms.room import too_long
from trainer.algorithms.settings import BestOfNConfig, EvaluationConfig

LIMITS = {"max_prompt_tokens": 100, "max_response_tokens": 28}


@pytest.mark.parametrize(
    ("config", "context"),
    [
        ({"max_position_embeddings": 1024}, 1024),
        ({"n_positions": 512}, 512),
        ({"max_seq_len": 2048}, 2048),
        ({"max_position_embeddings": -1}, None),
        ({"text_config": {"max_position_embeddings": 256}, "vision_config": {}}, 256),
        ({"model_type": "mamba"}, None),
        ([], None),
    ],
)
def test_the_context_is_what_the_configuration_says(
    tmp_path: Path, config: Any, context: int | None
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert context_of(tmp_path) == context
    assert context_of(tmp_path / "nowhere") is None


def test_exactly_what_fits_is_taken() -> None:
    assert too_long("M", 128, LIMITS) == {}
    assert too_long("M", None, LIMITS) == {}
    assert too_long("M", 127, LIMITS) == {
        "max_prompt_tokens": "M reads 127 tokens in all; 100 + 28 do not fit: "
        "lower max_prompt_tokens to 99"
    }
    assert list(too_long("M", 28, LIMITS)) == ["max_response_tokens"]


@pytest.mark.parametrize(
    ("block", "share"),
    [("ptx_tokens", "ptx_coefficient"), ("pretraining_tokens", "pretraining_share")],
)
def test_blocks_of_text_have_to_fit_where_there_are_any(block: str, share: str) -> None:
    assert too_long("M", 128, LIMITS | {block: 128, share: 0.1}) == {}
    assert too_long("M", 128, LIMITS | {block: 129, share: 0.0}) == {}
    assert list(too_long("M", 128, LIMITS | {block: 129, share: 0.1})) == [block]


@pytest.mark.parametrize("stage", ["sft", "reward", "ppo"])
def test_a_run_says_so_before_it_reads_anything(
    stage: str, tiny: Path, tiny_reward: Path, tmp_path: Path
) -> None:
    limits = {"max_prompt_tokens": 1000, "max_response_tokens": 64}
    job = Job(
        stage=stage,
        settings=(PPO_OPTIONS if stage == "ppo" else {}) | limits,
        snapshot=str(tmp_path / "none"),
        start={"policy": str(tiny), "reward": str(tiny_reward)},
        out=str(tmp_path / "out"),
        work=str(tmp_path / "work"),
    )
    with pytest.raises(TrainingError, match=r"The policy reads 1024 tokens in all; 1000 \+ 64"):
        job.do(Recorder())


def test_so_do_an_evaluation_and_the_best_of_n(
    tiny: Path, tiny_reward: Path, tmp_path: Path
) -> None:
    limits = {"max_prompt_tokens": 1000, "max_response_tokens": 64}
    snapshot, contest = tmp_path / "none", policy_vs_baseline.Contest(tiny, tiny, tiny_reward)
    config = EvaluationConfig.from_dict(limits)
    with pytest.raises(TrainingError, match="reads 1024 tokens"):
        policy_vs_baseline.evaluate(config, snapshot=snapshot, contest=contest, report=Recorder())
    with pytest.raises(TrainingError, match="reads 1024 tokens"):
        policy_vs_baseline.win_rates(
            config, snapshot=snapshot, contest=contest, utility=lambda asked, text: 0.0
        )
    with pytest.raises(TrainingError, match="reads 1024 tokens"):
        best_of_n.measure(
            BestOfNConfig.from_dict(limits),
            snapshot=snapshot,
            start=Starts(tiny, tiny_reward),
            report=Recorder(),
        )


def test_a_reward_model_that_reads_less_is_named(
    tiny: Path, tiny_reward: Path, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"n_positions": 32}))
    with pytest.raises(TrainingError, match="The reward model reads 32 tokens"):
        best_of_n.measure(
            BestOfNConfig.from_dict(LIMITS),
            snapshot=tmp_path,
            start=Starts(tiny, tmp_path),
            report=Recorder(),
        )
