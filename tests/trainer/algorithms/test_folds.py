"""Folds by labeler: who is left out of which, what is measured on whom, going on after a stop."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from models_service.lm.checkpoint import weights_sha256
from trainer.algorithms import folds, reward
from trainer.algorithms.contract import Result, Starts
from trainer.algorithms.data import Ranking, read_snapshot
from trainer.algorithms.settings import RewardConfig

OPTIONS: dict[str, Any] = {
    "batch_size": 4,
    "learning_rate": 1e-3,
    "checkpoint_every": 1,
    "folds": 3,
    "max_response_tokens": 24,
}


@pytest.fixture
def lines(lines: list) -> list:
    """The rankings of the training labelers are four people's, in turn."""
    names = itertools.cycle(["ada", "cyd", "dan", "eve", "ada"])
    return [
        {**line, "labeler": next(names)}
        if line["type"] == "ranking" and line["group"] == "training"
        else line
        for line in lines
    ]


@pytest.fixture
def run(tiny: Path, snapshot: Path, tmp_path: Path, recorder):
    def run(name: str = "a", report=recorder, **options) -> Result:
        return reward.train(
            RewardConfig.from_dict(OPTIONS | options),
            snapshot=snapshot,
            start=Starts(tiny),
            out=tmp_path / name / "out",
            work=tmp_path / name / "work",
            report=report,
        )

    return run


def rankings(**counts: int) -> list[Ranking]:
    group = {"hal": "held_out"}
    return [
        Ranking(
            f"{who}{i}",
            "train",
            [],
            ["a", "b"],
            [1, 2],
            who,
            group.get(who, "training"),
            finished=[True, True],
        )
        for who, count in counts.items()
        for i in range(count)
    ]


def test_training_labelers_are_dealt_evenly_by_what_they_ranked() -> None:
    given = rankings(ada=10, bob=9, cyd=1, dan=5, eve=5, hal=30)
    dealt = folds.deal(given, 3, seed=0)
    assert sorted(name for fold in dealt for name in fold) == ["ada", "bob", "cyd", "dan", "eve"]
    counts = {"ada": 10, "bob": 9, "cyd": 1, "dan": 5, "eve": 5}
    assert sorted(sum(counts[n] for n in fold) for fold in dealt) == [10, 10, 10]
    assert folds.deal(given, 3, seed=0) == dealt
    assert len(folds.deal(rankings(ada=3, bob=1), 5, seed=0)) == 2
    assert folds.deal(rankings(ada=3), 5, seed=0) == []


def test_a_fold_learns_nothing_from_those_left_out(tiny: Path, snapshot: Path) -> None:
    config, data = RewardConfig.from_dict(OPTIONS), read_snapshot(snapshot)
    job = reward.RewardModelling(config, data, Starts(tiny), frozenset({"ada", "eve"}))
    mine = [r for r in data.rankings if r.labeler in ("cyd", "dan") and r.split == "train"]
    assert sum(len(g.rankings) for g in job.groups) <= len(mine)
    assert set(job.validation) == {"seen", "left_out", "held_out"}
    # Everything that ada and eve ranked is of prompts that only they were asked.
    theirs = [r for r in data.rankings if r.labeler in ("ada", "eve")]
    assert sum(len(g.rankings) for g in job.validation["left_out"]) == len(theirs)


def test_a_prompt_that_was_learned_from_is_measured_on_nobody_left_out(
    tiny: Path, write_snapshot, lines: list
) -> None:
    also = [{**x, "labeler": "ada"} for x in lines if x.get("labeler") == "cyd"]
    path = write_snapshot(lines + also)
    config, data = RewardConfig.from_dict(OPTIONS), read_snapshot(path)
    job = reward.RewardModelling(config, data, Starts(tiny), frozenset({"ada"}))
    learned = {str(group.prompt) for group in job.groups}
    assert not learned & {str(group.prompt) for group in job.validation["left_out"]}


def test_the_report_has_every_fold_and_all_together(run, recorder, tmp_path: Path) -> None:
    result = run()
    report = result.notes["folds"]
    assert [row["fold"] for row in report["folds"]] == [1, 2, 3]
    assert sum(row["labelers"] for row in report["folds"]) == 4
    for who in folds.GROUPS:
        assert 0 <= report[who]["low"] <= report[who]["value"] <= report[who]["high"] <= 1
        assert report[who]["n"] == sum(row[who]["n"] for row in report["folds"])
        right = sum(row[who]["n"] * row[who]["value"] for row in report["folds"])
        assert report[who]["value"] == pytest.approx(right / report[who]["n"])
    json.dumps(result.notes)
    steps = [step for step, _, _ in recorder.steps]
    assert steps == sorted(steps) and {total for _, total, _ in recorder.steps} == {result.steps}
    run("plain", folds=0)
    assert weights_sha256(tmp_path / "a" / "out") == weights_sha256(tmp_path / "plain" / "out")


def test_a_stopped_report_goes_on_to_the_same_figures(run, tmp_path: Path, make_recorder) -> None:
    whole = run("whole", report=make_recorder())
    for reports in (5, 4, 2):
        assert run("parts", report=make_recorder(stop_after=reports)).stopped
    assert (tmp_path / "parts" / "work" / "fold-1.json").exists()
    assert run("parts", report=make_recorder()) == whole


def test_what_another_run_kept_of_a_fold_is_measured_again(
    run, tmp_path: Path, make_recorder
) -> None:
    whole = run("whole", report=make_recorder())
    kept = tmp_path / "whole" / "work" / "fold-1.json"
    record = json.loads(kept.read_text())
    for run_name in ("another", None):
        kept.write_text(json.dumps({**record, "run": run_name, "prompts": 0, "outcomes": {}}))
        assert run("whole", report=make_recorder()) == whole


def test_one_labeler_alone_gives_no_report(run, write_snapshot, lines: list) -> None:
    write_snapshot([{**x, "labeler": "ada"} if "labeler" in x else x for x in lines])
    assert "one labeler" in run().notes["folds_left_out"]


def test_a_fold_outside_of_which_all_is_tied_has_no_model(run, write_snapshot, lines: list) -> None:
    """Only ada prefers anything; the fold that leaves her out has no comparison to learn from."""
    write_snapshot(
        [
            {**line, "ranks": [1] * len(line["ranks"])}
            if line.get("labeler") in ("cyd", "dan", "eve")
            else line
            for line in lines
        ]
    )
    report = run().notes["folds"]
    [hers] = [row for row in report["folds"] if not row["prompts"]]
    assert {who: hers[who] for who in folds.GROUPS} == dict.fromkeys(folds.GROUPS)
    assert all(row["held_out"]["n"] for row in report["folds"] if row is not hers)
    assert report["held_out"]["n"] > 0
