"""How much of a round's comparisons came from the policy it wants to improve."""

from __future__ import annotations

from typing import Any

import pytest

from core.problems import Problem
from labeling.models import Ranking
from labeling.queues.sampling_reads import on_policy_share, spoken_lately, waiting_and_why
from models_service.models import ModelVersion, Promotion
from models_service.services import register_endpoint
from tests.trainer.conftest import Labels
from trainer.data.snapshots import freeze
from trainer.models import TrainingRound
from trainer.rounds.reads import on_policy_share as share_of_round
from trainer.rounds.start import start_round

ENDPOINT = {"base_url": "https://models.example.org/v1", "model": "big"}


@pytest.fixture
def far(db: None) -> ModelVersion:
    """A remote version."""
    return register_endpoint(name="far", kind="policy", endpoint=ENDPOINT)


def test_the_share_counts_completions(labels: Labels, far: ModelVersion) -> None:
    assert on_policy_share(Ranking.objects.all(), labels.policy) is None
    one = labels.ranking(ranks=(1, 2, 3, 4))
    one.task.completions.filter(position=0).update(version=far)
    assert on_policy_share(Ranking.objects.all(), labels.policy) == pytest.approx(3 / 4)
    labels.ranking(ranks=(1, 2, 3, 4))
    assert on_policy_share(Ranking.objects.all(), labels.policy) == pytest.approx(7 / 8)


def test_a_round_is_measured_by_the_policy_in_office_when_it_began(
    labels: Labels, far: ModelVersion
) -> None:
    labels.enough()
    round = TrainingRound.objects.create(preset="tiny", recipe={"stages": []}, start=labels.policy)
    assert share_of_round(round) is None
    round.snapshot = freeze()
    assert share_of_round(round) == 1.0
    Promotion.objects.create(role="policy", version=far)
    assert share_of_round(round) == 1.0
    later = TrainingRound.objects.create(
        preset="tiny", recipe={"stages": []}, start=labels.policy, snapshot=round.snapshot
    )
    assert share_of_round(later) == 0.0


def test_a_remote_model_is_not_trained(labels: Labels, far: ModelVersion) -> None:
    labels.enough()
    with pytest.raises(Problem, match="far lies behind a server and cannot be trained"):
        start_round(preset="tiny", start=far)
    Promotion.objects.create(role="policy", version=far)
    with pytest.raises(Problem, match="choose a local version"):
        start_round(preset="tiny")


def test_the_desk_tells_how_sampling_goes(
    labels: Labels, client_of: Any, rosa: Any, far: ModelVersion
) -> None:
    one = labels.ranking(ranks=(1, 2, 3, 4))
    waiting = labels.ranking().task
    type(waiting).objects.filter(pk=waiting.pk).update(state="sampling", failure="far is down.")
    assert waiting_and_why() == (1, "far is down.")
    said = spoken_lately()
    assert [(row.version, row.completions) for row in said] == [(labels.policy.name, 8)]
    page = client_of(rosa).get("/admin/").content.decode()
    assert "Held up: far is down." in page
    assert one.task.state == "open"
