"""A round's page: what goes wrong, curves laid over others, samples, and faults told."""

from __future__ import annotations

import re

import pytest
from django.utils import timezone
from playwright.sync_api import Locator, expect

from accounts.models import User
from models_service.models import Kind, ModelVersion
from models_service.worker_heartbeats import forget_served
from tests.browser.conftest import Open
from trainer.models import Sample, TrainingRound, TrainingRun
from trainer.runs.missing_workers import QUEUES

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


def test_what_goes_wrong_is_said_and_curves_are_compared(browse: Open, rosa: User) -> None:
    forget_served(QUEUES)
    steady, round = _ppo("Steady", "finished", kl=2.0), _ppo("Runaway", "running", kl=30.0)
    page = browse(rosa)
    page.goto(_address(round))
    expect(page.get_by_text("No worker serves the queues default and training")).to_be_visible()
    expect(page.get_by_text("celery --app config worker")).to_be_visible()
    alarms = page.get_by_role("region", name="Alarms")
    expect(alarms).to_contain_text("KL runs away. KL is 29.5 nats a response, above 20. By step 4.")
    expect(alarms).to_contain_text("Raise kl_coefficient")
    chart = page.locator(".chart").filter(has=page.get_by_role("heading", name="KL from the SFT"))
    expect(chart).to_have_attribute("title", re.compile("^KL runs away"))
    latest = chart.locator("tbody").first.get_by_role("row")
    expect(latest).to_have_count(1)

    page.get_by_label("Lay over").select_option(str(steady.pk))
    expect(latest).to_have_count(2)
    expect(latest.nth(1)).to_contain_text("Steady")
    chart.get_by_text("All values").click()
    values = chart.locator("details tbody tr").first.get_by_role("cell")
    expect(values).to_have_text(["4", "31", "3"])

    page.get_by_label("Smoothing").fill("0.5")
    expect(page.locator("output")).to_have_text("0.50")
    # ½ⁿ-weighted mean of 29, 29, 29, 31 from the newest back: 29 + 2 · (1/2) / (1 - 1/16).
    expect(chart.get_by_role("heading").locator("b")).to_have_text("30.07")
    expect(values).to_have_text(["4", "31", "3"])  # as they were

    page.get_by_role("button", name="Take Steady away").click()
    expect(latest).to_have_count(1)


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


def _ppo(name: str, state: str, kl: float) -> TrainingRound:
    """A round in PPO whose divergence is `kl` in the mean, and rises with its last step."""
    start, _ = ModelVersion.objects.get_or_create(name="b", kind=Kind.POLICY, checkpoint="none")
    recipe = {"stages": ["ppo"], "ppo": {}, "promote": "never"}
    round = TrainingRound.objects.create(
        name=name, preset="tiny", recipe=recipe, start=start, state=state, started_at=timezone.now()
    )
    run = TrainingRun.objects.create(round=round, stage="ppo", state="queued", seed=1)
    for step, off in enumerate((-1, -1, -1, 1), start=1):
        run.metrics.create(step=step, values={"objective/kl": kl + off})
    return round


def _round(state: str) -> TrainingRound:
    start = ModelVersion.objects.create(name="base", kind=Kind.POLICY, checkpoint="none")
    recipe = {"stages": ["evaluation"], "evaluation": {}, "promote": "never"}
    round = TrainingRound.objects.create(preset="tiny", recipe=recipe, start=start, state=state)
    run = TrainingRun.objects.create(round=round, stage="evaluation", state="finished", seed=1)
    for at, text in enumerate(SAID):
        Sample.objects.create(run=run, step=4, position=at, prompt=PROMPT, text=text, score=at)
    return round
