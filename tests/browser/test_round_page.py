"""A round's page: samples to be read, and a dialog that says when no server answers."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from accounts.models import User
from models_service.models import Kind, ModelVersion
from tests.browser.conftest import Open
from trainer.models import Sample, TrainingRound, TrainingRun

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PROMPT = "system\nYou are a helpful AI assistant.\nuser\nWhy are there tides?\nassistant\n"
SAID = ("New policy: Because the Moon pulls on the water.", "Baseline: The wind, the wind.")


def test_samples_are_read_side_by_side(browse: Open, rosa: User) -> None:
    page = browse(rosa)
    page.set_viewport_size({"width": 1400, "height": 900})
    page.goto(_address(_round("finished")))
    sample = page.locator(".sample")
    new, baseline = (sample.get_by_text(words.split(": ")[1]) for words in SAID)
    expect(new).to_be_visible()
    assert _top(new) == _top(baseline)

    expect(sample.get_by_text("You are a helpful AI assistant.")).to_be_hidden()
    sample.get_by_text("Why are there tides?").first.click()
    expect(sample.get_by_text("You are a helpful AI assistant.")).to_be_visible()


def test_an_action_without_a_server_says_so(browse: Open, rosa: User) -> None:
    page = browse(rosa)
    page.goto(_address(_round("running")))
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.context.set_offline(True)
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Cancel", exact=True).click()
    expect(dialog.get_by_role("alert")).to_have_text(
        "The server cannot be reached. Try again in a moment."
    )


def _address(round: TrainingRound) -> str:
    return f"/admin/trainer/traininground/{round.pk}/change/"


def _top(shown: Locator) -> float:
    box = shown.bounding_box()
    assert box
    return box["y"]


def _round(state: str) -> TrainingRound:
    start = ModelVersion.objects.create(name="base", kind=Kind.POLICY, checkpoint="none")
    recipe = {"stages": ["evaluation"], "evaluation": {}, "promote": "never"}
    round = TrainingRound.objects.create(preset="tiny", recipe=recipe, start=start, state=state)
    run = TrainingRun.objects.create(round=round, stage="evaluation", state="finished", seed=1)
    for at, text in enumerate(SAID):
        Sample.objects.create(run=run, step=4, position=at, prompt=PROMPT, text=text, score=at)
    return round
