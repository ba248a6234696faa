"""Lineage both ways, the model card, and a checkpoint that plain transformers loads."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from django.test import Client
from huggingface_hub import ModelCard
from transformers import AutoModelForCausalLM, AutoTokenizer

from accounts.models import User
from core import __version__
from labeling.models import Demonstration, Ranking
from models_service.lm.checkpoint import load_policy
from models_service.models import ModelVersion
from tests.trainer.conftest import Labels
from trainer.data import checkpoint_tar
from trainer.models import TrainingRound
from trainer.rounds.start import start_round

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def round(
    labels: Labels, held_out: User, small: dict[str, Any], now: Callable[[], None]
) -> TrainingRound:
    """A finished round; one demonstration came too late for its snapshot."""
    labels.enough()
    labels.ranking("validation", labeler=held_out)
    round = start_round(preset="tiny", recipe=small | {"promote": "always"})
    now()
    labels.demonstration()
    round.refresh_from_db()
    assert round.state == "finished", round.failure
    return round


def test_a_checkpoint_leads_to_its_labels_and_a_label_to_its_checkpoints(
    round: TrainingRound, rosa: User, client_of: Callable[[User], Client], labels: Labels
) -> None:
    client = client_of(rosa)
    policy = round.policy
    assert policy is not None and round.snapshot is not None
    tree = client.get(f"/api/v1/versions/{policy.pk}/lineage/").json()
    sft, reward = (round.runs.get(stage=s).output for s in ("sft", "reward"))
    assert sft is not None and reward is not None
    assert [v["name"] for v in tree["trained_from"]] == [sft.name, round.start.name]
    assert (tree["run"]["stage"], tree["run"]["round"]) == ("ppo", round.pk)
    assert tree["snapshot"]["sha256"] == round.snapshot.sha256
    counts = {row["labeler"]: (row["demonstration"], row["ranking"]) for row in tree["labelers"]}
    assert sorted(counts.values()) == [(0, 1), (8, 12)]
    assert counts[str(labels.labeler.pseudonym)] == (8, 12)
    assert tree["prompts"] == [{"name": "import", "count": 21}]
    assert tree["completions"] == [{"name": round.start.name, "count": 13 * 4}]
    assert [p["role"] for p in tree["promotions"]] == ["policy"]

    late, early = Demonstration.objects.order_by("-pk")[:2]
    tree = client.get(f"/api/v1/labels/demonstration/{early.pk}/lineage/").json()
    assert [s["id"] for s in tree["snapshots"]] == [round.snapshot.pk]
    assert [v["id"] for v in tree["checkpoints"]] == sorted([sft.pk, reward.pk, policy.pk])
    ranking = Ranking.objects.first()
    assert ranking is not None
    tree = client.get(f"/api/v1/labels/ranking/{ranking.pk}/lineage/").json()
    assert [v["id"] for v in tree["checkpoints"]] == sorted([reward.pk, policy.pk])
    assert (
        client.get(f"/api/v1/labels/demonstration/{late.pk}/lineage/").json()["checkpoints"] == []
    )
    assert client.get("/api/v1/labels/poem/1/lineage/").status_code == 404


def test_the_download_is_a_folder_that_transformers_loads(
    round: TrainingRound, rosa: User, client_of: Callable[[User], Client], tmp_path: Path
) -> None:
    policy = round.policy
    assert policy is not None
    answer = client_of(rosa).get(f"/api/v1/versions/{policy.pk}/checkpoint/")
    content = b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    assert int(answer["Content-Length"]) == len(content)
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        tar.extractall(tmp_path, filter="data")
    [folder] = tmp_path.iterdir()
    loaded = AutoModelForCausalLM.from_pretrained(folder)
    original, _ = load_policy(policy.folder)
    for ours, theirs in zip(original.parameters(), loaded.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert AutoTokenizer.from_pretrained(folder)("hello").input_ids
    card = (folder / "README.md").read_text()
    assert card == client_of(rosa).get(f"/api/v1/versions/{policy.pk}/card/").content.decode()


def test_the_card_tells_data_settings_figures_and_limits(
    round: TrainingRound, rosa: User, client_of: Callable[[User], Client]
) -> None:
    assert round.policy is not None and round.snapshot is not None
    card = client_of(rosa).get(f"/api/v1/versions/{round.policy.pk}/card/").content.decode()
    assert f"base_model: {round.start.name}" in card
    assert round.snapshot.sha256[:16] in card
    assert "by 2 labelers" in card
    assert "| ranking | 8 | 5 |" in card
    assert "| kl_coefficient | 0.02 | 0.02 |" in card
    rate = round.evaluations.get().figures["win_rate"]
    assert f"| win_rate | {rate['value']:.3g} [{rate['low']:.3g}, {rate['high']:.3g}]" in card
    people = {"win_rate": rate, "wins": 3, "flag_opinion": rate | {"low": 0.0, "high": 0.0}}
    round.evaluations.create(
        version=round.policy, baseline=round.start, judge="labelers", split="test", figures=people
    )
    told = client_of(rosa).get(f"/api/v1/versions/{round.policy.pk}/card/").content.decode()
    assert "People compared its answers" in told and "| wins | 3 |" in told
    assert "flag_opinion" not in told and "| scores |" not in told
    assert "No person has compared" in card and "fewer than 10 labelers" in card


def test_what_has_no_weights_here_cannot_be_downloaded(
    base: ModelVersion, rosa: User, ada: User, client_of: Callable[[User], Client]
) -> None:
    gone = ModelVersion.objects.create(name="gone", kind="sft", checkpoint="nowhere", parent=base)
    url = f"/api/v1/versions/{gone.pk}/checkpoint/"
    assert client_of(rosa).get(url).status_code == 409
    assert client_of(ada).get(url).status_code == 403
    card = client_of(rosa).get(f"/api/v1/versions/{gone.pk}/card/").content.decode()
    assert "## Limits" in card and f"Tutelage {__version__}." in card
    assert ModelCard(card).data.to_dict() == {
        "library_name": "transformers",
        "base_model": base.name,
        "tags": ["rlhf", "sft"],
    }


def test_the_size_is_that_of_the_stream(tmp_path: Path) -> None:
    for length in (0, 1, 512, 513):
        (tmp_path / f"f{length}").write_bytes(b"x" * length)
    extra = {"f1": "replaced", "README.md": "ü" * 300}
    content = b"".join(checkpoint_tar.tar_stream(tmp_path, "model", extra))
    assert len(content) == checkpoint_tar.tar_size(tmp_path, extra)
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        assert sorted(tar.getnames()) == [
            "model/README.md",
            "model/f0",
            "model/f1",
            "model/f512",
            "model/f513",
        ]
        assert tar.extractfile("model/f1").read() == b"replaced"  # type: ignore[union-attr]
