"""The base model is written once, registered once and promoted on the first start."""

from __future__ import annotations

import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, transaction

from core.problems import Problem
from models_service.lm import checkpoint
from models_service.lm.checkpoint import CheckpointError, load_policy, weights_sha256
from models_service.models import ModelVersion, Promotion
from models_service.selectors import promoted
from models_service.services import adopt_base, ensure_base, promote, register_version

pytestmark = pytest.mark.django_db


def test_it_writes_a_checkpoint_and_a_row() -> None:
    version = ensure_base("tiny")
    model, _ = load_policy(version.folder)
    assert {str(p.dtype) for p in model.parameters()} == {"torch.float32"}
    assert version.sha256 == weights_sha256(version.folder)
    assert version.kind == "base"


def test_a_second_call_changes_nothing() -> None:
    first = ensure_base("tiny")
    written = (first.folder / "model.safetensors").stat().st_mtime_ns
    assert ensure_base("tiny") == first
    assert (first.folder / "model.safetensors").stat().st_mtime_ns == written


def test_folders_of_the_same_name_stay_apart(tmp_path: Path) -> None:
    from models_service.lm.tiny import write_tiny_checkpoint

    for seed, place in enumerate(("a", "b")):
        write_tiny_checkpoint(tmp_path / place / "model", seed=seed)
    versions = [ensure_base(str(tmp_path / place / "model")) for place in ("a", "b")]
    assert versions[0].sha256 != versions[1].sha256
    assert versions[0].checkpoint != versions[1].checkpoint


def test_a_folder_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"config\.json"):
        ensure_base(str(tmp_path))
    assert not ModelVersion.objects.exists()


def test_a_name_that_another_version_bears_is_refused() -> None:
    base = ensure_base("tiny")
    ModelVersion.objects.create(
        name="round-7-policy", kind="policy", engine="openai", endpoint={"base_url": "https://a.b"}
    )
    with pytest.raises(CheckpointError, match="another version called round-7-policy"):
        register_version(name="round-7-policy", kind="policy", folder=base.folder)


def test_the_first_start_promotes_and_the_second_keeps_the_choice() -> None:
    base = adopt_base("tiny")
    assert promoted(Promotion.Role.POLICY) == base
    adopt_base("tiny")
    assert Promotion.objects.count() == 1


def test_a_reward_model_cannot_be_the_policy() -> None:
    reward = ModelVersion.objects.create(name="rm", kind="reward", checkpoint="rm")
    with pytest.raises(Problem, match="cannot serve as policy"):
        promote(role=Promotion.Role.POLICY, version=reward)


def test_the_newest_promotion_holds() -> None:
    base = adopt_base("tiny")
    other = ModelVersion.objects.create(name="p1", kind="policy", checkpoint="p1", parent=base)
    promote(role=Promotion.Role.POLICY, version=other)
    promote(role=Promotion.Role.POLICY, version=base, reason="Back again.")
    assert promoted(Promotion.Role.POLICY) == base
    assert Promotion.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_two_processes_write_it_once(tmp_path: Path) -> None:
    from models_service.lm.tiny import write_tiny_checkpoint

    write_tiny_checkpoint(tmp_path / "model", seed=7)
    name = connection.settings_dict["NAME"]
    script = (
        "import django; django.setup()\n"
        "from django.conf import settings\n"
        "from django.db import connections\n"
        f"connections['default'].settings_dict['NAME'] = {name!r}\n"
        "from models_service.services import ensure_base\n"
        f"print(ensure_base({str(tmp_path / 'model')!r}).pk)\n"
    )
    command = [sys.executable, "-c", script]
    racers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_environment())
        for _ in range(2)
    ]
    printed = {racer.communicate(timeout=120)[0].strip() for racer in racers}
    assert [racer.returncode for racer in racers] == [0, 0]
    assert printed == {str(ModelVersion.objects.get().pk)}


@pytest.mark.django_db(transaction=True)
def test_it_is_downloaded_outside_any_transaction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models_service.lm.tiny import write_tiny_checkpoint

    write_tiny_checkpoint(tmp_path / "model", seed=3)
    inside: list[bool] = []

    def checked(folder: Path) -> dict[str, object]:
        inside.append(connection.in_atomic_block)
        return {"accepted": True}

    take_up = checkpoint.take_up

    def download(*given: object, **also: object) -> None:
        inside.append(connection.in_atomic_block)
        take_up(*given, **also)  # type: ignore[arg-type]

    monkeypatch.setattr(checkpoint, "take_up", download)
    base = adopt_base(str(tmp_path / "model"), check=checked)
    assert inside == [False, False] and promoted(Promotion.Role.POLICY) == base
    write_tiny_checkpoint(tmp_path / "other", seed=4)
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        ensure_base(str(tmp_path / "other"))


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"}


def test_a_base_that_cannot_be_taken_up_ends_the_first_run_in_a_sentence(
    settings: object, tmp_path: Path
) -> None:
    settings.BASE_MODEL = str(tmp_path)  # type: ignore[attr-defined]
    with pytest.raises(CommandError, match=r"BASE_MODEL cannot be taken up: .* no config\.json"):
        call_command("first_run", no_demo=True, no_static=True, stdout=StringIO())
