"""A first reward model from labels that were made elsewhere, with none made here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from core.problems import Problem
from labeling.models import Ranking
from models_service.models import ModelVersion
from tests.labeling.management.importing import run as import_labels
from trainer.data.model_card import model_card
from trainer.evaluation import jobs
from trainer.models import TrainingRound
from trainer.rounds.start import start_round

pytestmark = pytest.mark.django_db(transaction=True)
RECIPE = {
    "stages": ["reward"],
    "promote": "never",
    "labels": {"origins": ["wet"]},
    "reward": {"batch_size": 4, "checkpoint_every": 1},
}


@pytest.fixture
def pairs(tmp_path: Path, base: ModelVersion) -> None:
    """Pairs: eight to train on, four to validate with, two to test with; none labeled here."""
    path = tmp_path / "wet.jsonl"
    splits = ["train"] * 8 + ["valid"] * 4 + ["test"] * 2
    path.write_text(
        "".join(
            json.dumps(
                {
                    "prompt": f"Is thing {n} wet?",
                    "chosen": "yes yes",
                    "rejected": "no no no",
                    "labeler": f"w{n % 3}",
                    "split": split,
                }
            )
            + "\n"
            for n, split in enumerate(splits)
        )
    )
    assert import_labels(path, "--set", "wet", "--licence", "CC0")["rankings"] == 14


@pytest.mark.usefixtures("pairs")
def test_it_is_trained_measured_and_told_of(now: Callable[[], None]) -> None:
    assert not Ranking.objects.exclude(labeler=None).exists()
    round = start_round(preset="tiny", recipe=RECIPE)
    now()
    round.refresh_from_db()
    assert round.state == TrainingRound.State.FINISHED, round.failure
    assert round.snapshot and round.snapshot.counts["ranking"] == {"train": 8, "validation": 4}
    [run] = round.runs.all()
    assert run.output and run.output.kind == "reward"
    assert "| wet | CC0 | 12 |" in model_card(run.output)
    measurement = jobs.request_diagnosis(reward=run.output)
    jobs.perform(measurement.pk)
    measurement.refresh_from_db()
    accuracy = measurement.figures["accuracy"]
    assert set(accuracy["labeler"]) == {"wet/w0", "wet/w1", "wet/w2"}
    assert set(accuracy["gap"]) == {"not rated"}


@pytest.mark.usefixtures("pairs")
def test_without_them_there_is_nothing_to_learn_from() -> None:
    for origins, words in ((["here"], "rankings"), (["dry"], "imported from dry")):
        with pytest.raises(Problem, match=words):
            start_round(preset="tiny", recipe={**RECIPE, "labels": {"origins": origins}})


@pytest.mark.usefixtures("pairs")
def test_the_form_counts_them_and_offers_their_set(
    olga: User, client_of: Callable[[User], Client]
) -> None:
    page: Any = client_of(olga).get("/admin/trainer/traininground/add/?preset=tiny")
    assert "Imported: wet" in page.content.decode()
