"""Somebody in the admin steers a queue, excludes a ranking, and decides between two."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from labeling.models import BulkChange, Queue, Ranking, Slot
from labeling.work import assignments, submissions
from tests.browser.conftest import Open
from tests.browser.scenes import demonstration_task, ranking_task

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def ranked(ada: User, ben: User) -> list[Ranking]:
    """Two opposite rankings of one task."""
    task = ranking_task()
    Slot.objects.create(task=task, number=1, kind=task.kind, purpose=task.purpose)
    ids = [str(one.pk) for one in task.completions.order_by("position")]
    for labeler, order in ((ada, ids), (ben, ids[::-1])):
        held = assignments.claim(labeler=labeler, kinds=["ranking"])
        assert held is not None
        body = {
            "ranking": [[item] for item in order],
            "ratings": {item: {"overall": 4} for item in order},
        }
        submissions.submit(assignment_id=held.pk, labeler=labeler, body=body)
    return list(Ranking.objects.order_by("pk"))


def ask(page: Page, action: str, words: str = "") -> None:
    page.get_by_role("button", name=action, exact=True).first.click()
    dialog = page.get_by_role("dialog")
    if words:
        dialog.get_by_role("textbox").fill(words)
    dialog.get_by_role("button", name=action, exact=True).click()
    expect(dialog).to_be_hidden()


def test_a_queue_is_paused_and_drained(browse: Open, rosa: User) -> None:
    demonstration_task()
    queue = Queue.objects.get(kind="demonstration")
    page = browse(rosa)
    page.goto(f"/admin/labeling/queue/{queue.pk}/change/")
    expect(page.get_by_text("How do I keep basil alive").first).to_be_visible()
    ask(page, "Pause")
    expect(page.locator(".head .badge")).to_have_text("Paused")
    ask(page, "Run")
    expect(page.locator(".head .badge")).to_have_text("Running")
    ask(page, "Expire what waits")
    expect(page.get_by_text("Nothing waits:")).to_be_visible()
    page.goto(f"/admin/labeling/bulkchange/{BulkChange.objects.get().pk}/change/")
    ask(page, "Undo")
    expect(page.locator(".notice")).to_contain_text("Undone")
    assert Slot.objects.get().state == Slot.State.FREE


def test_labels_are_reviewed(browse: Open, rosa: User, ranked: list[Ranking]) -> None:
    page = browse(rosa)
    page.goto(f"/admin/labeling/ranking/{ranked[0].pk}/change/")
    page.get_by_role("button", name="Exclude", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Exclude", exact=True).click()
    expect(page.get_by_role("alert").filter(has_text="blank")).to_be_visible()
    page.get_by_role("dialog").get_by_role("button", name="Back").click()
    ask(page, "Exclude", "Clicked through.")
    expect(page.get_by_text("Clicked through.")).to_be_visible()
    ask(page, "Restore")
    expect(page.locator(".head .badge")).to_have_text("Counts")
    ask(page, "Comment", "Mind the tone.")
    expect(page.get_by_text("Mind the tone.")).to_be_visible()

    page.get_by_role("link", name="compare them side by side").click()
    for place, rank in enumerate(("2", "1", "2", "3")):
        page.get_by_label("Your rank of completion").nth(place).fill(rank)
    page.get_by_role("button", name="Yours stands").click()
    expect(page.get_by_text("One ranking of this task counts")).to_be_visible()
    stands = Ranking.objects.get(excluded_at=None)
    assert stands.labeler == rosa
    places = stands.ranked.order_by("completion__position").values_list("rank", flat=True)
    assert list(places) == [2, 1, 2, 3]
