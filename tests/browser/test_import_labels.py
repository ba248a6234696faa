"""An admin brings labels in: what they are is said, looked at with the answers, then imported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from accounts.models import User
from labeling import tasks
from labeling.models import LabelOrigin, LabelSet, Ranking
from tests.browser.conftest import Open

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ROWS = [
    {"q": "Why is the sky blue on a clear day?", "chosen": "Air scatters blue.", "rejected": "No."},
    {"q": "What is fog?", "chosen": "A cloud that lies low.", "rejected": "A cloud that lies low."},
]


@pytest.fixture(autouse=True)
def worker(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages are worked on at once."""
    settings.UPLOAD_DIR = tmp_path / "uploads"
    monkeypatch.setattr(tasks.check_import, "delay", tasks.check_import)
    monkeypatch.setattr(tasks.store_import, "delay", tasks.store_import)


def test_labels_are_looked_at_before_they_count(browse: Open, olga: User, tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text("\n".join(map(json.dumps, ROWS)))
    page = browse(olga)
    page.goto("/admin/labeling/import/add/")
    expect(page.get_by_label("Licence")).to_be_hidden()
    page.get_by_label("Labels: rankings, pairs, demonstrations").check()
    page.get_by_label("Name of the set").fill("sky")
    page.get_by_label("Licence").fill("CC0")
    page.get_by_label("Split of rows that do not say").select_option("train")
    page.get_by_label("Columns under other names").fill("prompt=q")
    page.locator("input[type=file]").set_input_files(file)
    expect(page.get_by_role("heading", name="What would be imported")).to_be_visible()
    expect(page.get_by_text("1. Air scatters blue.")).to_be_visible()
    expect(page.get_by_text("rejected is the same as chosen")).to_be_visible()
    expect(page.get_by_role("button", name="Import", exact=True)).to_be_disabled()
    page.get_by_label("Skip the bad lines").check()
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_role("heading", name="What was imported")).to_be_visible()
    assert str(LabelSet.objects.get()) == "sky (CC0)"
    assert LabelOrigin.objects.get().task.prompt.split == "train"
    page.get_by_role("link", name="See the rankings").click()
    page.goto(f"/admin/labeling/ranking/{Ranking.objects.get().pk}/change/")
    expect(page.get_by_text("from sky (CC0)")).to_be_visible()
