"""A researcher starts a round in the admin, watches it to its end and takes its policy back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from models_service.models import ModelVersion
from models_service.selectors import promoted
from models_service.services import adopt_base
from tests.browser.conftest import Open
from tests.trainer.conftest import Labels
from tests.workers import beat, celery_worker
from trainer.models import Metric, TrainingRound

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
STAGE_MS = 90_000  # a worker loads PyTorch, then each stage takes seconds


@pytest.fixture
def base(transactional_db: None) -> ModelVersion:
    """The promoted tiny model."""
    return adopt_base("tiny")


@pytest.fixture
def workers(base: ModelVersion, tmp_path: Path) -> Iterator[None]:
    """What runs a round: a worker for short tasks and training, and beat."""
    with celery_worker("default,training", *beat(tmp_path)):
        yield


def start(browse: Open, user: User, name: str, iterations: str = "4") -> Page:
    page = browse(user)
    page.goto("/admin/")
    page.get_by_role("link", name="Start a round").click()
    page.get_by_role("link", name="Tiny").click()
    page.wait_for_url("**?preset=tiny")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Find a setting").fill("iterations")
    page.get_by_label("iterations", exact=True).fill(iterations)
    page.get_by_role("button", name="Start the round").click()
    return page


def stage(page: Page, title: str) -> Any:
    return page.locator("[data-stage]").filter(has=page.get_by_role("heading", name=title))


def confirm(page: Page, action: str) -> None:
    page.get_by_role("button", name=action, exact=True).first.click()
    page.get_by_role("dialog").get_by_role("button", name=action, exact=True).click()


def test_a_round_without_labels_is_refused_with_the_numbers(
    browse: Open, rosa: User, base: ModelVersion
) -> None:
    page = start(browse, rosa, "Too early")
    expect(page.get_by_role("alert").filter(has_text="needed")).to_be_visible()
    expect(page.get_by_text("0 of 8").first).to_be_visible()
    assert not TrainingRound.objects.exists()


def test_a_round_is_cancelled_resumed_and_finished_and_its_policy_rolled_back(
    browse: Open, rosa: User, ada: User, base: ModelVersion, workers: None
) -> None:
    """All on one page that is never reloaded."""
    Labels(base, ada).enough()
    page = start(browse, rosa, "Watched", iterations="80")
    expect(page.get_by_role("heading", name="Watched")).to_be_visible()
    page.evaluate("window.stillHere = true")
    expect(stage(page, "SFT")).to_contain_text("Finished", timeout=STAGE_MS)
    kl = page.locator(".chart").filter(has=page.get_by_role("heading", name="KL from the SFT"))
    kl.get_by_text("All values").click(timeout=STAGE_MS)
    rows = kl.locator("details tbody tr")
    seen = rows.count()
    expect(rows.nth(seen + 1)).to_be_attached(timeout=STAGE_MS)

    confirm(page, "Cancel")
    expect(page.locator(".head .badge")).to_have_text("Cancelled")
    expect(stage(page, "PPO")).to_contain_text("Stopped", timeout=STAGE_MS)
    confirm(page, "Retry")
    expect(page.locator(".head .badge")).to_have_text(
        "Finished, promoted policy", timeout=2 * STAGE_MS
    )
    assert page.evaluate("window.stillHere")
    expect(page.locator("canvas").first).to_be_visible()
    expect(page.get_by_role("heading", name="Evaluation").first).to_be_visible()
    page.get_by_text("Log", exact=True).click()
    expect(page.get_by_text("having reached step")).to_be_visible()

    round = TrainingRound.objects.get()
    assert Metric.objects.filter(run__round=round, run__stage="ppo", step__gt=0).count() == 80
    assert promoted("policy") == round.policy != base

    page.goto(f"/admin/trainer/evaluation/versions/{base.pk}/promote/")
    page.get_by_role("button", name=f"Promote {base.name}").click()
    expect(page.get_by_text("Promoted policy").first).to_be_visible()
    assert promoted("policy") == base


def test_a_round_is_cancelled(browse: Open, rosa: User, ada: User, base: ModelVersion) -> None:
    Labels(base, ada).enough()
    page = start(browse, rosa, "Called off")
    confirm(page, "Cancel")
    expect(page.locator(".head .badge")).to_have_text("Cancelled")
    assert TrainingRound.objects.get().state == TrainingRound.State.CANCELLED
