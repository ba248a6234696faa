"""Recipes under a name and as YAML: saved, replaced, read back, refused, forgotten."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import AuditEntry, User
from core.problems import Problem
from tests.trainer.conftest import Labels
from trainer import tasks
from trainer.models import SavedRecipe, TrainingRound
from trainer.rounds.saved_recipes import save_recipe
from trainer.rounds.start import start_round

pytestmark = pytest.mark.django_db
ClientOf = Callable[[User], Client]


def post(client: Client, path: str, body: dict[str, Any]) -> Any:
    return client.post(f"/api/v1/recipes/{path}", json.dumps(body), "application/json")


def test_a_recipe_is_kept_whole_under_its_name(rosa: User, client_of: ClientOf) -> None:
    body = {"name": "Nightly", "preset": "tiny", "recipe": {"ppo": {"iterations": 9}}}
    answer = post(client_of(rosa), "", body)
    assert answer.status_code == 201
    saved = SavedRecipe.objects.get()
    assert (saved.saved_by, saved.recipe["ppo"]["iterations"]) == (rosa, 9)
    assert saved.recipe["sft"]["batch_size"] == 8
    assert AuditEntry.objects.filter(act="recipe_saved", by=rosa).count() == 1


def test_a_name_that_is_taken_is_replaced_only_on_demand(rosa: User, client_of: ClientOf) -> None:
    save_recipe(name="Nightly", preset="tiny")
    client, body = client_of(rosa), {"name": "Nightly", "preset": "demo"}
    refused = post(client, "", body)
    assert refused.status_code == 409
    assert "Take another name, or replace it" in refused.json()["errors"]["recipe_name"][0]
    assert post(client, "", {**body, "replace": True}).status_code == 201
    assert SavedRecipe.objects.get().preset == "demo"


def test_a_recipe_that_cannot_be_used_is_not_kept() -> None:
    with pytest.raises(Problem) as caught:
        save_recipe(name="Odd", preset="tiny", recipe={"pp0": {}, "labels": {"use_case": []}})
    assert caught.value.errors == {
        "pp0": "is not a part of a recipe (did you mean ppo?)",
        "labels.use_case": "is not one of since, until, use_cases, origins, groups, policies, "
        "ranking_guidelines, demonstration_guidelines, agreement (did you mean use_cases?)",
    }
    assert not SavedRecipe.objects.exists()


def test_the_file_of_a_recipe_reads_back_as_the_recipe(rosa: User, client_of: ClientOf) -> None:
    saved = save_recipe(name="Grün", preset="tiny", recipe={"labels": {"use_cases": ["chat"]}})
    client = client_of(rosa)
    file = client.get(f"/api/v1/recipes/{saved.pk}/recipe.yaml")
    assert file["Content-Disposition"] == 'attachment; filename="grun.yaml"'
    read = post(client, "read/", {"yaml": file.content.decode()})
    assert read.json() == {"preset": "tiny", "recipe": saved.recipe}


@pytest.mark.parametrize(
    ("yaml", "field", "words"),
    [
        ("sft: [", "yaml", "is not YAML (line 1"),
        ("- sft", "yaml", "must hold the parts"),
        ("sft: {epoch: 3}", "sft.epoch", "did you mean epochs?"),
        ("preset: huge", "preset", "must be one of"),
        ("stages: [ppo]\nsft: 3", "sft", "must hold settings by name"),
    ],
)
def test_a_file_that_is_wrong_is_refused_where_it_is(
    rosa: User, client_of: ClientOf, yaml: str, field: str, words: str
) -> None:
    answer = post(client_of(rosa), "read/", {"yaml": yaml})
    assert answer.status_code == 400
    assert words in answer.json()["errors"][field]


def test_the_recipe_of_a_round_starts_the_same_round(
    labels: Labels, rosa: User, client_of: ClientOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks.advance_rounds, "delay", lambda: None)
    labels.enough()
    round = start_round(preset="tiny", recipe={"seed": 5, "sft": {"epochs": 4}})
    path = tmp_path / "same.yaml"
    path.write_bytes(client_of(rosa).get(f"/api/v1/rounds/{round.pk}/recipe.yaml").content)
    call_command("start_round", recipe=path)
    again = TrainingRound.objects.first()
    assert again is not None
    assert again != round
    assert (again.preset, again.recipe, again.seed) == ("tiny", round.recipe, 5)
    path.write_text("sft: {epochz: 4}")
    with pytest.raises(CommandError, match=r"did you mean epochs\?"):
        call_command("start_round", recipe=path)


def test_a_recipe_is_forgotten(rosa: User, ada: User, client_of: ClientOf) -> None:
    saved = save_recipe(name="Old", preset="tiny")
    url = f"/api/v1/recipes/{saved.pk}/"
    assert client_of(ada).delete(url).status_code == 403
    assert client_of(rosa).delete(url).status_code == 204
    assert not SavedRecipe.objects.exists()
