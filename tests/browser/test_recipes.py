"""A researcher fills the form from YAML, keeps it as a recipe, and lets it start by itself."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from accounts.models import User
from models_service.services import adopt_base
from tests.browser.conftest import Open
from trainer.models import SavedRecipe, Schedule

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

WRONG = "ppo:\n  iteration: 3"
RIGHT = """\
preset: tiny
stages: [sft, reward]
promote: never
seed: 5
labels:
  use_cases: [chat]
  since: 2026-01-31
reward:
  epochs: 3
"""


def test_a_recipe_is_read_from_yaml_saved_and_scheduled(browse: Open, rosa: User) -> None:
    adopt_base("tiny")
    page = browse(rosa)
    page.goto("/admin/trainer/traininground/add/?preset=demo")
    page.get_by_text("Recipes and YAML").click()
    yaml = page.get_by_label("Recipe as YAML")
    yaml.fill(WRONG)
    page.get_by_role("button", name="Fill the form", exact=True).click()
    expect(
        page.get_by_text("ppo.iteration is not a setting (did you mean iterations?)")
    ).to_be_visible()

    # A file of another preset opens that preset's form, and fills it.
    file = {"name": "mine.yaml", "mimeType": "text/yaml", "buffer": RIGHT.encode()}
    page.get_by_label("Fill the form with a file").set_input_files(file)  # type: ignore[arg-type]
    page.wait_for_url("**?preset=tiny")
    expect(page.get_by_role("checkbox", name="PPO", exact=True)).not_to_be_checked()
    expect(page.get_by_label("Promote the outcome")).to_have_value("never")
    expect(page.get_by_label("Seed")).to_have_value("5")
    expect(page.locator('[name="reward.epochs"]')).to_have_value("3")
    expect(page.locator('[name="labels.since"]')).to_have_value("2026-01-31")
    expect(page.locator('[data-list="use_cases"][value="chat"]')).to_be_checked()
    expect(page.get_by_text("1 differs from the preset")).to_be_visible()

    page.get_by_text("Recipes and YAML").click()
    page.get_by_label("Save this form as").fill("Weekly")
    page.get_by_role("button", name="Save the recipe").click()
    expect(page.get_by_text("Saved as Weekly.")).to_be_visible()
    saved = SavedRecipe.objects.get()
    assert (saved.recipe["stages"], saved.recipe["reward"]["epochs"]) == (["sft", "reward"], 3)
    assert saved.recipe["labels"] == {"use_cases": ["chat"], "since": "2026-01-31"}

    page.goto(f"/admin/trainer/schedule/add/?recipe={saved.pk}")
    page.get_by_label("After new rankings").check()
    page.get_by_label("New rankings since its last start").fill("0")
    page.get_by_role("button", name="Add the schedule").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("At a time").check()
    page.get_by_label("Day").select_option("Every Monday")
    page.get_by_role("button", name="Add the schedule").click()
    page.get_by_role("link", name="Every Monday at 06:00").click()
    for action, shown in (("Pause", "Paused"), ("Remove", "schedules")):
        page.get_by_role("button", name=action, exact=True).click()
        page.get_by_role("dialog").get_by_role("button", name=action, exact=True).click()
        expect(page.get_by_text(shown).first).to_be_visible()
    page.wait_for_url("**/schedule/")
    assert not Schedule.objects.exists()
