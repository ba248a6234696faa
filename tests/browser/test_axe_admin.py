"""No page of the admin breaks a rule that axe-core can check, in light and in dark, and none
is wider than a phone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from accounts.audit import Act, record
from accounts.models import User
from labeling.models import BulkChange, Demonstration, LabelingTask, Prompt, Queue, Ranking
from labeling.queues import steering
from labeling.work import assignments, submissions
from tests.browser.conftest import Open
from tests.browser.scenes import demonstration_task, ranking_task
from tests.browser.test_axe import violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LISTS = (
    "labeling/prompt", "labeling/labelingtask", "labeling/completion", "labeling/ranking",
    "labeling/demonstration", "labeling/assignment", "labeling/queue", "labeling/bulkchange",
    "labeling/guideline", "labeling/formversion", "labeling/report", "labeling/labelerprofile",
    "accounts/user", "accounts/auditentry", "trainer/export", "trainer/erasure",
)  # fmt: skip


@pytest.fixture
def pages(olga: User, ada: User) -> list[str]:
    """The address of every page of the admin, with something on it."""
    for kind, task in (("ranking", ranking_task()), ("demonstration", demonstration_task())):
        held = assignments.claim(labeler=ada, kinds=[kind])
        assert held is not None
        ids = [str(one.pk) for one in task.completions.order_by("position")]
        ranked = {"ranking": [[pk] for pk in ids], "ratings": {pk: {"overall": 4} for pk in ids}}
        body = ranked if kind == "ranking" else {"text": "Water it from below."}
        submissions.submit(assignment_id=held.pk, labeler=ada, body=body)
    steering.change_prompts(prompts=Prompt.objects.all(), field="priority", value=3, by=olga)
    record(act=Act.QUEUE_CHANGED, by=olga, target=Queue.objects.first(), detail={"ready": [1, 2]})
    rows = [
        Prompt.objects.first(),
        LabelingTask.objects.first(),
        Ranking.objects.get(),
        Demonstration.objects.get(),
        Queue.objects.get(kind="ranking"),
        BulkChange.objects.get(),
    ]
    changes = [f"labeling/{row._meta.model_name}/{row.pk}/change" for row in rows if row]
    task = LabelingTask.objects.get(kind="ranking")
    own = [f"labeling/ranking/adjudicate/{task.pk}", "trainer/export/add", "trainer/erasure/add"]
    paths = [f"/admin/{path}/" for path in (*LISTS, *changes, *own)]
    return ["/admin/", *paths, "/admin/trainer/erasure/add/?person=ada"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_pages_of_the_desk(browse: Open, olga: User, pages: list[str], theme: str) -> None:
    page = browse(olga)
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    found = [line for path in pages for line in violations(page, path)]
    assert not found, "\n".join(found)


def test_no_page_is_wider_than_a_phone(browse: Open, olga: User, pages: list[str]) -> None:
    page = browse(olga)
    page.set_viewport_size({"width": 360, "height": 800})
    assert {path: over for path in pages if (over := _overflow(page, path)) > 0} == {}


def _overflow(page: Page, path: str) -> int:
    page.goto(path)
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))
