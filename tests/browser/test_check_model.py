"""A researcher has a model of their own checked by a real sampling worker, and adds it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from accounts.models import User
from labeling.models import Prompt
from models_service.lm.tiny import write_tiny_checkpoint
from models_service.models import ModelVersion
from models_service.services import adopt_base
from tests.browser.conftest import Open
from tests.workers import celery_worker

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PATIENCE_MS = 60_000  # the worker has PyTorch to load


@pytest.fixture
def sampling_worker(transactional_db: None) -> Iterator[None]:
    """A worker that checks."""
    with celery_worker("sampling"):
        yield


def panel(page: Page) -> Locator:
    heading = page.get_by_role("heading", name="A checkpoint of your own")
    return page.locator("form", has=heading)


def test_a_model_is_checked_and_added(
    browse: Open, rosa: User, sampling_worker: None, tmp_path: Path
) -> None:
    write_tiny_checkpoint(tmp_path / "mine", seed=5)
    page = browse(rosa)
    page.goto("/admin/versions/add/")
    form = panel(page)
    form.get_by_label("Folder on the server").fill(str(tmp_path / "mine"))
    form.get_by_label("Name here").fill("mine")
    form.get_by_label("Options of its chat template").fill("enable_thinking=false")
    form.get_by_role("button", name="Check it").click()
    expect(form.get_by_role("alert")).to_have_text(
        re.compile("knows no option enable_thinking"), timeout=PATIENCE_MS
    )
    form.get_by_label("Options of its chat template").fill("")
    form.get_by_role("button", name="Check it").click()
    expect(form.get_by_text("All of it works.")).to_be_visible(timeout=PATIENCE_MS)
    assert form.get_by_role("listitem").count() > 8
    expect(form.get_by_role("listitem").first).to_contain_text("Works: Loads.")
    assert not ModelVersion.objects.exists()
    form.get_by_role("button", name="Add it").click()
    expect(form.get_by_text("It is added")).to_be_visible(timeout=PATIENCE_MS)
    assert ModelVersion.objects.get(name="mine").check_report["accepted"]


def test_a_version_that_is_there_is_checked_from_the_form_of_a_round(
    browse: Open, rosa: User, sampling_worker: None
) -> None:
    base = adopt_base("tiny")
    Prompt.objects.create(
        messages=[{"role": "system", "content": "Brief."}, {"role": "user", "content": "Hi"}],
        source="import",
        split="train",
        fingerprint="told",
    )
    page = browse(rosa)
    page.goto("/admin/trainer/traininground/add/?preset=tiny")
    summary = page.get_by_label("Summary")
    expect(summary.get_by_text("Start version: not checked yet.")).to_be_visible()
    summary.get_by_role("link", name="Check it").click()
    page.get_by_role("button", name="Check it").click()
    expect(page.locator("#main").get_by_text("The report is kept")).to_be_visible(
        timeout=PATIENCE_MS
    )
    base.refresh_from_db()
    page.reload()
    expect(page.get_by_text(re.compile(r"(\d+) of \1 things work"))).to_be_visible()

    # A template that refuses system turns, as some are.
    base.check_report["facts"]["refuses"]["system"] = "System role not supported"
    base.save()
    page.goto("/admin/trainer/traininground/add/?preset=tiny")
    expect(summary.get_by_text("1 prompt will be skipped")).to_be_visible()
    summary.get_by_role("link", name="See them").click()
    expect(page.get_by_text("1 prompt", exact=True)).to_be_visible()
