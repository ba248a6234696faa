"""A stage that is added to the list alone is seen by everything, as docs/extend/stage.md says."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from models_service.models import ModelVersion
from tests.trainer.conftest import Labels
from trainer.algorithms.config import Config, ConfigError, option
from trainer.algorithms.contract import Reporter, Result, Starts
from trainer.algorithms.stages import STAGES, Stage, labels_seen, supervised
from trainer.data import lineage
from trainer.management.settings_tables import pages, with_table
from trainer.rounds import memory_model
from trainer.rounds.estimates import estimates
from trainer.rounds.recipes import preset_recipe
from trainer.rounds.start import start_round

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass(frozen=True)
class ToyConfig(Config):
    """Settings of a stage that copies its policy."""

    copies: int = option(2, "How often the policy is copied", minimum=1)
    batch_size: int = option(3, "Rankings in a batch", minimum=1)
    max_prompt_tokens: int = option(512, "Tokens of a prompt", minimum=1)
    max_response_tokens: int = option(64, "Tokens of a response", minimum=1)
    seed: int = option(1, "Seed", minimum=0)


def train(
    config: ToyConfig, *, snapshot: Path, start: Starts, out: Path, work: Path, report: Reporter
) -> Result:
    """Copy the policy."""
    for step in range(config.copies):
        report.metrics(step + 1, config.copies, {"toy/copies": float(step + 1)})
    shutil.copytree(start.policy, out)
    return Result(config.copies, {"toy/copies": float(config.copies)})


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A stage "toy" before the evaluation, as its record would stand in the list."""
    module = ModuleType("toy_stage")
    module.train = train  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "toy_stage", module)
    stage = Stage(
        "toy",
        "Toy",
        ToyConfig,
        starts=supervised,
        work=lambda settings, counts: settings["copies"] * labels_seen("rankings", {}, counts),
        module="toy_stage",
        outcome="policy",
        version="toy",
        needs=("sft",),
        usual=False,
        scores=False,
        batches={"rankings": "batch_size"},
        copies=1,
    )
    evaluation = STAGES["evaluation"]
    monkeypatch.delitem(STAGES, "evaluation")
    monkeypatch.setitem(STAGES, "toy", stage)
    monkeypatch.setitem(STAGES, "evaluation", evaluation)
    return stage


def test_recipes_check_it(toy: Stage) -> None:
    recipe = preset_recipe("tiny", {"stages": ["toy", "sft"], "toy": {"copies": 5}})
    assert recipe.stages == ("sft", "toy")
    limits = {"max_prompt_tokens": 512, "max_response_tokens": 64}
    assert recipe.to_dict()["toy"] == {"copies": 5, "batch_size": 3} | limits
    assert recipe.labels_needed()["rankings"] == 3
    assert "toy" not in preset_recipe("tiny").stages
    with pytest.raises(ConfigError) as caught:
        preset_recipe("tiny", {"stages": ["toy"], "toy": {"copies": 0, "colour": 1}})
    assert {"stages", "toy.colour"} <= set(caught.value.errors)
    shape = memory_model.Shape(parameters=100, hidden=2, layers=1, vocabulary=5)
    assert memory_model.needed("toy", {}, shape) == 400


def test_its_settings_are_a_table_of_its_page(toy: Stage) -> None:
    page = with_table("# Toy\n\n## Settings\n\n## End\n", pages()["toy"])
    assert "| `copies` | 2 | – | How often the policy is copied |" in page


def test_a_round_runs_it_and_a_label_leads_to_it(
    toy: Stage, labels: Labels, small: dict[str, Any], now: Callable[[], None], base: ModelVersion
) -> None:
    labels.enough()
    wish = small | {"stages": ["sft", "toy"], "promote": "never"}
    round = start_round(preset="tiny", recipe=wish)
    now()
    round.refresh_from_db()
    assert round.state == "finished", round.failure
    sft, run = round.runs.all()
    assert (run.stage, run.get_stage_display(), run.total_steps) == ("toy", "toy", 2)
    assert run.output is not None and round.policy == run.output
    assert (run.output.name, run.output.kind) == (f"round-{round.pk}-toy", "policy")
    assert run.output.parent == sft.output
    assert round.snapshot is not None
    ranking = round.snapshot.labels.filter(ranking__isnull=False).first()
    assert ranking is not None and ranking.ranking is not None
    led_to = lineage.of_label("ranking", ranking.ranking)["checkpoints"]
    assert [version["name"] for version in led_to] == [run.output.name]
    wider = preset_recipe("tiny", {"stages": ["sft", "toy"], "toy": {"copies": 4}})
    counts = {"demonstrations": 8, "rankings": 8}  # for training, as in its snapshot
    estimate = estimates(wider, base, counts)[1]
    assert run.started_at and run.ended_at
    took = (run.ended_at - run.started_at).total_seconds()
    assert (estimate.title, estimate.seconds) == ("Toy", pytest.approx(2 * took))
