"""What a clean-up removes of old rounds, and what it never touches."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from core.problems import Problem
from labeling.models import LabelingTask, Queue
from models_service.models import ModelVersion
from models_service.selectors import speakers
from tests.trainer.conftest import Labels
from trainer.data import disk_retention
from trainer.models import Evaluation, TrainingRound, TrainingRun
from trainer.rounds.promotion import promote
from trainer.rounds.start import start_round

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _few(settings: Any, tmp_path: Path) -> None:
    settings.KEEP_ROUNDS = 1
    settings.SNAPSHOT_DIR = tmp_path / "snapshots"


@pytest.fixture
def old(base: ModelVersion, settings: Any, tmp_path: Path) -> list[ModelVersion]:
    """The policies of six finished rounds, oldest first; the last one is recent."""
    settings.CHECKPOINT_DIR = tmp_path
    return [finished_round(base) for _ in range(6)]


def finished_round(base: ModelVersion) -> ModelVersion:
    round = TrainingRound.objects.create(preset="tiny", recipe={}, state="finished", start=base)
    version = ModelVersion.objects.create(
        name=f"policy {round.pk}", kind="policy", checkpoint=f"rounds/{round.pk}/ppo", parent=base
    )
    version.folder.mkdir(parents=True)
    (version.folder / "model.safetensors").write_bytes(b"weights")
    TrainingRun.objects.create(
        round=round, stage="ppo", state="finished", seed=1, output=version, result={}
    )
    return version


def judged(version: ModelVersion, low: float) -> None:
    Evaluation.objects.create(
        version=version,
        judge="reward",
        split="validation",
        figures={"win_rate": {"value": 0.6, "low": low, "high": 0.9, "n": 9}},
    )


def test_only_what_nothing_needs_goes(old: list[ModelVersion], base: ModelVersion) -> None:
    promoted, best, awaited, started_from, plain, recent = old
    promote(role="policy", version=promoted, reason="A trial.")
    judged(plain, 0.4)
    judged(best, 0.5)
    Queue.objects.update_or_create(
        kind="ranking", purpose="training", defaults={"mixture": {awaited.name: 1.0}}
    )
    TrainingRound.objects.create(preset="tiny", recipe={}, state="paused", start=started_from)
    assert disk_retention.clear_disk().versions == [plain.name]
    assert not plain.folder.exists()
    assert all(v.folder.exists() for v in (promoted, best, awaited, started_from, recent))
    assert disk_retention.clear_disk() == disk_retention.Cleared([], 0, 0)


def test_a_task_that_waits_for_its_answers_keeps_the_version(
    old: list[ModelVersion], labels: Labels
) -> None:
    LabelingTask.objects.create(
        kind="ranking", prompt=labels.prompt(), state="sampling", mixture={str(old[0].pk): 1}
    )
    LabelingTask.objects.create(
        kind="ranking", prompt=labels.prompt(), state="sampling", policy=old[1]
    )
    assert not {old[0], old[1]} & set(disk_retention.disposable())


def test_a_new_best_of_version_keeps_the_old_weights_and_judge_it_needs(
    old: list[ModelVersion],
) -> None:
    weights, judge, *_, recent = old
    ModelVersion.objects.filter(pk=recent.pk).update(
        checkpoint=weights.checkpoint, parent=weights, judge=judge, best_of=4
    )
    assert not {weights, judge, recent} & set(disk_retention.disposable())


def test_a_version_without_weights_is_refused_by_name(old: list[ModelVersion]) -> None:
    gone = old[0]
    assert disk_retention.remove_weights(version=gone)
    assert not disk_retention.remove_weights(version=gone)
    with pytest.raises(Problem, match=f"weights of {gone} were removed"):
        promote(role="policy", version=gone)
    with pytest.raises(Problem, match="Choose another version"):
        start_round(preset="tiny", start=gone)
    assert gone not in speakers(99)


def test_states_of_a_round_long_cancelled_go_and_those_of_yesterday_stay(
    labels: Labels, settings: Any, tmp_path: Path
) -> None:
    settings.CHECKPOINT_DIR = tmp_path
    for days in (1, 15):
        ended = timezone.now() - timedelta(days=days)
        round = TrainingRound.objects.create(
            preset="tiny", recipe={}, state="cancelled", start=labels.policy, ended_at=ended
        )
        run = TrainingRun.objects.create(round=round, stage="sft", state="stopped", seed=1)
        (run.work / "state-1").mkdir(parents=True)
    assert disk_retention.clear_disk().states == 1
    assert not run.work.exists()


def test_leftovers_go_once_they_are_old(settings: Any, tmp_path: Path) -> None:
    settings.CHECKPOINT_DIR = tmp_path / "checkpoints"
    rounds = settings.CHECKPOINT_DIR / "rounds" / "3"
    fresh, stale = rounds / ".ppo.ab.new", rounds / ".ppo.cd.old"
    fresh.mkdir(parents=True)
    stale.mkdir()
    settings.SNAPSHOT_DIR.mkdir()
    file = settings.SNAPSHOT_DIR / ".ef.new"
    file.touch()
    for path in (stale, file):
        os.utime(path, (time.time() - 90_000,) * 2)
    assert disk_retention.clear_disk().leftovers == 2
    assert fresh.exists() and not stale.exists() and not file.exists()
