"""One answer has one score, whoever asks: reward training, PPO, the diagnosis, the playground.

What was cut is read at its last word and what ended at its stop token, everywhere.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from models_service.lm.chat import encode_prompt, encode_response
from models_service.lm.checkpoint import load_policy, load_reward
from models_service.lm.reading import Said, opinions
from models_service.lm.scoring import response_logprobs
from tests.trainer.algorithms.conftest import PAD, STOP
from trainer.algorithms.data import Encoder, Ranking
from trainer.algorithms.episodes import Episodes, score_episodes
from trainer.algorithms.shared_prompts import choose_layout, group_scores
from trainer.evaluation.text_scoring import Speaker, divergences, reward_scores

ASKED = [{"role": "user", "content": "Which is it?"}]
SAID = [
    Said(ASKED, "red cat", finished=True),
    Said(ASKED, "red cat", finished=False),
    Said(ASKED, "a blue moon\N{REPLACEMENT CHARACTER}", finished=False),
    Said(ASKED, "", finished=True),
]


@pytest.fixture
def in_ppo(tiny_reward: Path) -> list[float]:
    """What PPO would give, had its policy said so."""
    model, tokenizer = load_reward(tiny_reward)
    texts = ["red cat", "red cat", "a blue moon", ""]
    responses = [
        encode_response(tokenizer, text, one.finished)
        for text, one in zip(texts, SAID, strict=True)
    ]
    assert [row[-1] == STOP for row in responses] == [one.finished for one in SAID]
    episodes = Episodes(
        prompts=[encode_prompt(tokenizer, ASKED)] * len(SAID),
        responses=responses,
        logprobs=[[0.0] * len(row) for row in responses],
        finished=[one.finished for one in SAID],
        end_id=STOP,
    )
    return score_episodes(model, episodes, PAD, 1000).tolist()


def test_the_ending_makes_a_difference(in_ppo: list[float]) -> None:
    assert abs(in_ppo[0] - in_ppo[1]) > 1e-2


def test_reward_training_reads_what_ppo_reads(tiny_reward: Path, in_ppo: list[float]) -> None:
    model, tokenizer = load_reward(tiny_reward)
    ranking = Ranking(
        "r",
        "train",
        ASKED,
        [one.text for one in SAID],
        [1, 2, 3, 4],
        "ada",
        "training",
        [one.finished for one in SAID],
    )
    [group] = Encoder(tokenizer, 64, 64).groups([ranking])
    assert list(group.finished) == [one.finished for one in SAID]
    with torch.no_grad():
        [scores] = group_scores(model, [group], PAD, choose_layout(model, 64, PAD))
    assert scores.tolist() == pytest.approx(in_ppo, abs=1e-4)


def test_what_was_cut_before_its_first_character_is_read_where_the_prompt_ends(
    tiny_reward: Path,
) -> None:
    model, tokenizer = load_reward(tiny_reward)
    ranking = Ranking(
        "r",
        "train",
        ASKED,
        ["cat", "\N{REPLACEMENT CHARACTER}"],
        [1, 2],
        "ada",
        "training",
        [True, False],
    )
    [group] = Encoder(tokenizer, 64, 64).groups([ranking])
    with torch.no_grad():
        [scores] = group_scores(model, [group], PAD, choose_layout(model, 64, PAD))
    assert [scores[1].tolist()] == pytest.approx(
        opinions(model, tokenizer, [Said(ASKED, "", False)])[0], abs=1e-4
    )


def test_a_measurement_reads_what_ppo_reads(tiny_reward: Path, in_ppo: list[float]) -> None:
    told: list[int] = []
    assert reward_scores(tiny_reward, SAID, told.append) == pytest.approx(in_ppo, abs=1e-4)
    assert told == [len(SAID)]


def test_a_divergence_is_that_of_the_tokens_that_were_said(tiny: Path, tmp_path: Path) -> None:
    policy, tokenizer = load_policy(tiny)
    found = divergences(Speaker(tiny), Speaker(tiny, prefix="Be brief."), SAID[:2])
    sums = []
    for prefix in ("", "Be brief."):
        prompt = encode_prompt(tokenizer, ASKED, prefix)
        rows = [encode_response(tokenizer, "red cat", one.finished) for one in SAID[:2]]
        with torch.no_grad():
            sums.append(response_logprobs(policy, [prompt] * 2, rows).logprobs.sum(1))
    assert found == pytest.approx((sums[0] - sums[1]).tolist(), abs=1e-4)
    assert found is not None and found[0] != pytest.approx(found[1], abs=1e-4)
