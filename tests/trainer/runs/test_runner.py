"""Runs: claimed once, taken up after a silence, their outcome recorded once, failures explained."""

from __future__ import annotations

import ast
import errno
import math
import shutil
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
from django.conf import settings
from django.utils import timezone

from core.jobs import MOST_DEATHS, Lost, beating
from core.problems import Problem
from labeling.models import Prompt
from models_service.lm.checkpoint import load_tokenizer
from models_service.models import ModelVersion, Promotion
from models_service.selectors import promoted
from tests.trainer.conftest import Labels
from trainer import tasks
from trainer.algorithms.contract import TrainingError
from trainer.jobs import RUNS
from trainer.models import Evaluation, Metric, TrainingRound, TrainingRun
from trainer.rounds import steps
from trainer.rounds.control import cancel, pause, resume, retry
from trainer.rounds.promotion import promote
from trainer.rounds.start import start_round
from trainer.rounds.steps import begin, fail_round, freeze_labels, open_run, take_up_abandoned
from trainer.runs import runner
from trainer.runs.reporter import RunReporter

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def run(labels: Labels) -> TrainingRun:
    """The first stage of a running round, waiting for a worker."""
    labels.enough()
    round = start_round(preset="tiny")
    assert begin(round=round)
    freeze_labels(round=round)
    round.refresh_from_db()
    opened = open_run(round=round, stage="sft")
    assert opened is not None
    return opened


def test_a_whole_round_ends_with_a_promoted_policy(
    labels: Labels, base: ModelVersion, small: dict[str, Any], now: Callable[[], None]
) -> None:
    labels.enough()
    round = start_round(preset="tiny", recipe=small | {"promote": "always"})
    now()
    round.refresh_from_db()
    assert round.state == "finished", round.failure
    assert [r.state for r in round.runs.all()] == ["finished"] * 4
    assert round.policy is not None and round.policy.kind == "policy"
    assert promoted(Promotion.Role.POLICY) == round.policy
    assert promoted(Promotion.Role.REWARD) == round.runs.get(stage="reward").output
    assert round.policy.parent == round.runs.get(stage="sft").output
    figures = Evaluation.objects.get(round=round).figures
    assert figures["win_rate"]["low"] <= figures["win_rate"]["value"] <= figures["win_rate"]["high"]
    assert Metric.objects.filter(run__stage="ppo", values__has_key="objective/kl").exists()
    assert not any(run.work.exists() for run in round.runs.all())


def test_a_round_may_end_with_the_best_of_n(
    labels: Labels, small: dict[str, Any], now: Callable[[], None]
) -> None:
    labels.enough()
    stages = ["sft", "reward", "best_of_n", "evaluation"]
    recipe = small | {"stages": stages, "best_of_n": {"n": 3, "prompts": 2}, "promote": "always"}
    recipe["evaluation"] = small["evaluation"] | {"prompts": 50}
    round = start_round(preset="tiny", recipe=recipe)
    now()
    round.refresh_from_db()
    assert round.state == "finished", round.failure
    made = {run.stage: run.output for run in round.runs.all()}
    best = made["best_of_n"]
    assert best is not None and round.policy == best == promoted(Promotion.Role.POLICY)
    assert (best.best_of, best.judge, best.parent) == (3, made["reward"], made["sft"])
    evaluation = Evaluation.objects.get(round=round)
    assert (evaluation.version, evaluation.baseline) == (best, made["sft"])
    asked = round.runs.get(stage="evaluation").result["notes"]["prompts"]
    assert asked.startswith("8 prompts were asked, not the recipe's 50")
    assert evaluation.figures["kl"]["value"] == pytest.approx(math.log(3) - 2 / 3)
    assert [one["n"] for one in evaluation.figures["best_of_n"]] == [1, 2]
    assert evaluation.figures["score"]["value"] > evaluation.figures["score_baseline"]["value"]


def test_what_a_template_refuses_is_skipped_counted_and_told(
    labels: Labels, base: ModelVersion, small: dict[str, Any], now: Callable[[], None]
) -> None:
    folder = Path(settings.CHECKPOINT_DIR) / "strict"
    shutil.copytree(base.folder, folder, dirs_exist_ok=True)
    tokenizer = load_tokenizer(folder)
    refusing = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('No system.') }}{% endif %}"
    )
    tokenizer.chat_template = refusing + tokenizer.chat_template
    tokenizer.save_pretrained(folder)
    strict = ModelVersion.objects.create(name="strict", kind="base", checkpoint="strict")
    labels.enough()
    under_system = [
        labels.demonstration().prompt,
        labels.ranking().prompt,
        labels.prompt("validation"),
    ]
    for prompt in under_system:
        messages = [{"role": "system", "content": "Be kind."}, *prompt.messages]
        Prompt.objects.filter(pk=prompt.pk).update(messages=messages)
    stages = ["sft", "reward", "best_of_n", "ppo", "evaluation"]
    recipe = small | {"stages": stages, "best_of_n": {"n": 2, "prompts": 2}}
    round = start_round(preset="tiny", recipe=recipe, start=strict)
    now()
    round.refresh_from_db()
    assert round.state == "finished", round.failure
    notes = {run.stage: run.result["notes"]["prompts_refused"] for run in round.runs.all()}
    told = "1 was skipped: prompts that the model's chat template refuses."
    # PPO samples from the prompts of training and looks at those of validation.
    assert notes == {"sft": 1, "reward": 2, "best_of_n": 1, "ppo": 3, "evaluation": told}
    for run in round.runs.all():
        assert run.log.filter(text__contains="chat template refuses").count() == 1
    assert "skipped" not in Evaluation.objects.get(round=round).figures


def test_a_run_is_claimed_once(run: TrainingRun) -> None:
    first = runner.claim(run.pk)
    assert first is not None and first.state == "running"
    assert runner.claim(run.pk) is None


def test_a_silent_worker_s_run_is_taken_up_and_the_old_worker_lets_go(run: TrainingRun) -> None:
    old = runner.claim(run.pk)
    assert old is not None
    silent = timezone.now() - timedelta(minutes=5)
    TrainingRun.objects.filter(pk=run.pk).update(heartbeat_at=silent)
    new = runner.claim(run.pk)
    assert new is not None and new.attempts == 2
    with pytest.raises(Lost):
        RunReporter(old).metrics(1, 2, {"loss": 1.0})
    runner.close(old, runner.Outcome({"metrics": {}}, folder=None))
    run.refresh_from_db()
    assert run.state == "running" and run.worker == new.worker


def test_each_execution_says_with_what_it_was_done(run: TrainingRun) -> None:
    for _ in range(2):
        assert runner.claim(run.pk) is not None
        silent = timezone.now() - timedelta(minutes=5)
        TrainingRun.objects.filter(pk=run.pk).update(heartbeat_at=silent)
    run.refresh_from_db()
    first, second = run.executions
    assert first["worker"] != second["worker"] == run.worker
    assert first["code"] == runner.code_version() and first["torch"] == torch.__version__


def test_the_code_version_is_of_all_code_that_determines_a_run(tmp_path: Path) -> None:
    hashed = [
        "trainer/algorithms/ppo.py",
        "trainer/algorithms/distributed/group.py",
        "models_service/lm/chat.py",
        "models_service/lm/cpu/deep/matmul.py",
        "trainer/algorithms/policy_vs_baseline.py",
        "labeling/intervals.py",
    ]
    for name in [*hashed, "trainer/rounds/start_form.py"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    version = runner.code_version.__wrapped__
    seen = [version(tmp_path)]
    for name in hashed:
        (tmp_path / name).write_text("x = 2\n")
        seen.append(version(tmp_path))
    (tmp_path / hashed[1]).rename(tmp_path / "trainer/algorithms/group.py")
    seen.append(version(tmp_path))
    assert len(set(seen)) == len(seen) == 8
    (tmp_path / "trainer/rounds/start_form.py").write_text("x = 2\n")
    assert version(tmp_path) == seen[-1]


def test_what_that_code_imports_is_hashed_too(settings: Any) -> None:
    root = Path(settings.BASE_DIR)
    hashed = {path for pattern in runner.RESULT_CODE for path in root.glob(pattern)}
    assert len(hashed) > 40
    for path in hashed:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ImportFrom) or not node.module:
                continue
            for name in (node.module, *(f"{node.module}.{one.name}" for one in node.names)):
                module = root / (name.replace(".", "/") + ".py")
                assert not module.exists() or module in hashed, f"{path} imports {name}"


def test_a_stage_that_an_earlier_version_had_begun_begins_anew(run: TrainingRun) -> None:
    state = run.work / "state-3"
    state.mkdir(parents=True)
    (state / "state.json").write_text('{"run": "named otherwise", "step": 3, "values": {}}')
    assert runner.execute(run.pk)
    run.refresh_from_db()
    assert run.state == "finished", run.failure
    assert run.log.filter(text__contains="an earlier version").exists()


def test_a_snapshot_that_was_changed_is_not_trained_on(run: TrainingRun) -> None:
    assert run.round.snapshot is not None
    path = run.round.snapshot.path
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"Gladly", b"Surely"))
    assert runner.execute(run.pk)
    run.refresh_from_db()
    assert run.state == "failed"
    assert "its sha256 differs. Restore it from a backup" in run.failure


def test_a_message_for_a_finished_run_does_nothing(run: TrainingRun) -> None:
    TrainingRun.objects.filter(pk=run.pk).update(state="finished")
    assert runner.execute(run.pk) is False


def test_a_run_of_a_paused_round_is_not_started(run: TrainingRun) -> None:
    pause(round=run.round)
    assert runner.execute(run.pk) is False


def test_a_run_that_kills_its_worker_again_and_again_fails_with_advice(run: TrainingRun) -> None:
    TrainingRun.objects.filter(pk=run.pk).update(attempts=MOST_DEATHS)
    assert runner.claim(run.pk) is None
    run.refresh_from_db()
    assert run.state == "failed"
    assert "tokens_per_micro_batch" in run.failure


def test_a_failed_run_says_what_to_do_and_fails_its_round(
    labels: Labels, small: dict[str, Any], now: Callable[[], None]
) -> None:
    labels.enough()
    recipe = small | {"sft": {"max_prompt_tokens": 1}}
    round = start_round(preset="tiny", recipe=recipe)
    now()
    round.refresh_from_db()
    assert round.state == "failed"
    assert round.failure.startswith("SFT: ")
    assert "raise the limits" in round.failure


def test_a_failed_round_goes_on_from_the_stage_it_failed_in(
    labels: Labels, small: dict[str, Any], now: Callable[[], None]
) -> None:
    labels.enough()
    round = start_round(preset="tiny", recipe=small | {"promote": "never"})
    begin(round=round)
    freeze_labels(round=round)
    round.refresh_from_db()
    open_run(round=round, stage="sft")
    TrainingRun.objects.filter(round=round).update(state="failed", failure="power cut")
    now()
    round.refresh_from_db()
    assert round.state == "failed" and "power cut" in round.failure
    retry(round=round, afresh=True)
    now()
    round.refresh_from_db()
    assert (round.state, round.failure) == ("finished", "")


def test_a_round_goes_on_with_other_settings(
    labels: Labels, small: dict[str, Any], now: Callable[[], None]
) -> None:
    labels.enough()
    round = start_round(preset="tiny", recipe=small | {"stages": ["sft", "reward"]})
    begin(round=round)
    freeze_labels(round=round)
    round.refresh_from_db()
    run = open_run(round=round, stage="sft")
    assert run is not None
    RunReporter(runner.claim(run.pk)).metrics(1, 9, {"sft/loss": 3.0})
    TrainingRun.objects.filter(pk=run.pk).update(state="failed", failure="out of memory")
    fail_round(round=round, stage="sft")

    with pytest.raises(Problem, match="stages: settled in this round"):
        retry(round=round, recipe={"stages": ["sft"]})
    with pytest.raises(Problem, match=r"sft\.epochs: must be at least 1"):
        retry(round=round, recipe={"sft": {"epochs": 0}})
    round.refresh_from_db()
    assert round.state == "failed"

    retry(round=round, recipe={"sft": {"tokens_per_micro_batch": 64}})
    assert run.metrics.count() == 1, "the saved state still fits"
    cancel(round=round)
    retry(round=round, recipe={"sft": {"learning_rate": 1e-4}})
    assert run.metrics.count() == 0, "another result begins anew"
    now()
    run.refresh_from_db()
    assert run.state == "finished"
    assert run.config["settings"]["tokens_per_micro_batch"] == 64
    assert run.config["settings"]["learning_rate"] == 1e-4


def test_labels_that_are_frozen_stay_when_a_round_is_retried(
    labels: Labels, small: dict[str, Any]
) -> None:
    labels.enough()
    round = start_round(preset="tiny", recipe=small | {"stages": ["sft"]})
    cancel(round=round)
    others = {"labels": {"groups": ["training"]}}
    retry(round=round, recipe=others)
    assert round.recipe["labels"] == others["labels"], "nothing is frozen yet"

    begin(round=round)
    freeze_labels(round=round)
    cancel(round=round)
    with pytest.raises(Problem, match="Clone the round") as caught:
        retry(round=round, recipe={"labels": {"agreement": 0.9}})
    assert round.snapshot is not None and caught.value.errors is not None
    assert round.snapshot.filename in caught.value.errors["labels"][0]
    # The whole recipe with one setting changed, as the page's YAML says it.
    whole = round.recipe | {"sft": round.recipe["sft"] | {"epochs": 2}}
    retry(round=round, recipe=whole)
    assert round.recipe["sft"]["epochs"] == 2


def test_a_paused_round_lets_the_next_one_go_first(
    labels: Labels, small: dict[str, Any], now: Callable[[], None]
) -> None:
    labels.enough()
    only_sft = small | {"stages": ["sft"], "promote": "never"}
    first = start_round(preset="tiny", recipe=only_sft)
    second = start_round(preset="tiny", recipe=only_sft)
    assert begin(round=first) is True
    assert begin(round=second) is False
    pause(round=first)
    now()
    states = dict(TrainingRound.objects.values_list("pk", "state"))
    assert states == {first.pk: "paused", second.pk: "finished"}
    resume(round=first)
    now()
    first.refresh_from_db()
    assert first.state == "finished"


def test_a_heart_beats_until_its_row_is_gone(settings: Any) -> None:
    settings.RUN_HEARTBEAT_SECONDS = 0.001
    left, silent = [1, 1, 0], threading.Event()

    def beat() -> int:
        rows = left.pop(0)
        if not left:
            silent.set()
        return rows

    with beating(beat):
        assert silent.wait(10)
    assert left == []


def test_a_lost_message_is_sent_again(run: TrainingRun) -> None:
    assert take_up_abandoned() == []
    silent = timezone.now() - timedelta(minutes=5)
    TrainingRun.objects.filter(pk=run.pk).update(heartbeat_at=silent)
    assert take_up_abandoned() == [run.pk]
    assert take_up_abandoned() == []


def test_a_loss_that_is_no_number_stops_the_run(run: TrainingRun) -> None:
    claimed = runner.claim(run.pk)
    assert claimed is not None
    with pytest.raises(TrainingError, match=r"became nan at step 3\. Retry the stage"):
        RunReporter(claimed).metrics(3, 9, {"sft/loss": float("nan")})
    RunReporter(claimed).metrics(3, 9, {"objective/scores_std": float("nan")})
    values = Metric.objects.get(run=run, step=3).values
    assert values["objective/scores_std"] is None


def test_promotion_expires_what_the_former_policy_answered(
    labels: Labels, base: ModelVersion
) -> None:
    from labeling.models import LabelingTask, Slot

    task = LabelingTask.objects.create(
        kind="ranking", prompt=labels.prompt(), state=LabelingTask.State.OPEN, policy=base
    )
    Slot.objects.create(task=task, number=1, kind="ranking", purpose="training")
    policy = ModelVersion.objects.create(name="p", kind="policy", checkpoint="p", parent=base)
    promote(role="policy", version=policy, reason="A trial.")
    task.refresh_from_db()
    assert task.state == "expired"


def test_a_worker_that_dies_while_its_round_is_cancelled_holds_nobody_up(
    run: TrainingRun, now: Callable[[], None], small: dict[str, Any]
) -> None:
    taken = runner.claim(run.pk)
    assert taken is not None
    cancel(round=taken.round)
    long_ago = timezone.now() - timedelta(minutes=5)
    TrainingRun.objects.filter(pk=run.pk).update(heartbeat_at=long_ago)
    assert take_up_abandoned() == []
    run.refresh_from_db()
    assert run.state == "stopped"
    following = start_round(preset="tiny", recipe=small | {"stages": ["sft"]})
    now()
    following.refresh_from_db()
    assert following.state == "finished"


def test_being_asked_to_stop_is_no_death(run: TrainingRun) -> None:
    taken = runner.claim(run.pk)
    assert taken is not None and taken.attempts == 1
    pause(round=run.round)
    runner.close(taken, runner.Outcome(stopped=True))
    run.refresh_from_db()
    assert (run.state, run.attempts, run.worker) == ("stopped", 0, "")


def test_a_worker_that_stops_gives_its_run_back_as_it_got_it(run: TrainingRun) -> None:
    for _ in range(2 * MOST_DEATHS):
        taken = runner.claim(run.pk)
        assert taken is not None and taken.attempts == 1
        assert not RUNS.waits(run.pk)
        runner.close(taken, runner.Outcome(stopped=True))
        assert RUNS.waits(run.pk)


def test_a_worker_that_is_killed_after_it_was_asked_to_stop_has_not_died(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.jobs.stopping", lambda: True)
    for _ in range(2 * MOST_DEATHS):
        assert runner.claim(run.pk) is not None
        _fall_silent(run)
    run.refresh_from_db()
    assert (run.state, run.attempts) == ("running", 0)


def test_what_was_saved_since_the_last_death_starts_the_count_anew(run: TrainingRun) -> None:
    for death in range(2 * MOST_DEATHS):
        taken = runner.claim(run.pk)
        assert taken is not None and taken.attempts <= 2
        if death % 2:
            (run.work / f"state-{death}").mkdir(parents=True)
        _fall_silent(run)
    for _ in range(MOST_DEATHS):
        runner.claim(run.pk)
        _fall_silent(run)
    assert runner.claim(run.pk) is None
    run.refresh_from_db()
    assert run.state == "failed" and f"died {MOST_DEATHS} times in a row" in run.failure


def _fall_silent(run: TrainingRun) -> None:
    long_ago = timezone.now() - timedelta(minutes=5)
    TrainingRun.objects.filter(pk=run.pk).update(heartbeat_at=long_ago)


def test_a_stage_under_way_cannot_be_begun_afresh(run: TrainingRun) -> None:
    assert runner.claim(run.pk) is not None
    cancel(round=run.round)
    with pytest.raises(Problem, match="still ending the step"):
        retry(round=run.round, afresh=True)


def test_a_round_that_cannot_freeze_its_labels_says_why(
    labels: Labels, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels.enough()
    round = start_round(preset="tiny")

    def full(**_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(steps, "freeze", full)
    tasks.advance_rounds()
    round.refresh_from_db()
    assert round.state == "failed"
    assert round.failure.startswith("The disk is full.")
