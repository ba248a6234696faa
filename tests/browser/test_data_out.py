"""The admin's pages of data out: an export is asked for, followed and fetched; a person erased."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from playwright.sync_api import expect

from accounts.models import User
from labeling.models import Demonstration
from tests.browser.conftest import Open
from tests.browser.scenes import demonstration_task
from trainer.data.export_jobs import perform
from trainer.models import Export
from trainer.tasks import write_export

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_an_export_is_followed_and_fetched_and_a_person_erased(
    browse: Open, olga: User, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_export, "delay", lambda export: None)
    task = demonstration_task()
    label = Demonstration.objects.create(task=task, prompt=task.asked, labeler=ada, text="Water.")
    page = browse(olga)
    page.goto("/admin/")
    page.get_by_role("link", name="Exports").click()
    page.goto("/admin/trainer/export/add/")
    page.get_by_label("What, in which shape").select_option("demonstrations:chat")
    page.get_by_label("Answers of").focus()
    page.get_by_label("From").fill("2030-01-01")
    page.get_by_role("button", name="Export").click()
    expect(page.get_by_text("Labels: 0 of 0.")).to_be_visible()
    page.get_by_role("link", name="Another export").click()
    page.get_by_role("button", name="Export").click()
    expect(page.get_by_text("Labels: 0 of 1.")).to_be_visible()

    export = Export.objects.latest("created_at")
    perform(export.pk)
    expect(page.get_by_text("Labels: 1 of 1. Lines: 1.")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download JSON lines").click()
    content = Path(download.value.path()).read_bytes()
    assert b"Water." in content
    expect(page.get_by_text(hashlib.sha256(content).hexdigest())).to_be_visible()

    page.goto("/admin/trainer/erasure/add/")
    page.get_by_label("Account name").fill("nobody")
    page.get_by_role("button", name="Show what there is").click()
    expect(page.get_by_text("neither an account nor")).to_be_visible()
    page.get_by_label("Account name").fill("ada")
    page.keyboard.press("Enter")
    expect(page.get_by_role("row", name="Demonstrations by them")).to_contain_text(str(label.pk))
    page.get_by_label("To erase ada").fill("adam")
    page.get_by_role("button", name="Erase ada for good").click()
    expect(page.get_by_role("alert")).to_contain_text("This is not the name above")
    label.refresh_from_db()
    assert label.text == "Water."
    page.get_by_label("To erase ada").fill("ada")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Erased.")
    label.refresh_from_db()
    assert (label.text, export.path.exists()) == ("", False)
