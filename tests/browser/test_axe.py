"""No page breaks a rule of WCAG 2.2 AA that axe-core can check, in light and in dark."""

from __future__ import annotations

from functools import partial

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.template.loader import render_to_string
from playwright.sync_api import Page, Route, expect

from accounts.models import User
from accounts.tokens import create_token
from labeling.models import Assignment, Prompt
from labeling.review.reports import answer, report
from labeling.work.guidelines import publish_guideline
from models_service.models import ModelVersion
from models_service.services import adopt_base
from tests.browser.conftest import Open
from tests.browser.scenes import demonstration_task, prompt_writing_task, ranking_task
from tests.trainer.conftest import Labels
from trainer.rounds.start import start_round

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
}
LABELER = ("/", "/work/ranking/", "/work/demonstration/", "/work/prompt_writing/", "/guidelines/",
           "/work/mine/", "/work/topics/", "/password/", "/tokens/")  # fmt: skip
ADMIN_ROLES = ("/admin/", "/admin/trainer/traininground/", "/admin/trainer/traininground/add/",
        "/admin/models_service/modelversion/", "/admin/labeling/prompt/",
        "/admin/labeling/import/add/", "/admin/labeling/quarantinedprompt/",
        "/admin/labeling/prompt/use-cases/",
        "/admin/labeling/queue/", "/admin/accounts/tokengrant/", "/admin/playground/",
        "/admin/rating-form/")  # fmt: skip


def violations(page: Page, path: str) -> list[str]:
    """What axe finds on one page, a line each: rule, element."""
    page.goto(path)
    page.wait_for_load_state("networkidle")
    return now(page, path)


def now(page: Page, moment: str) -> list[str]:
    """What axe finds on the page as it stands, seen from its top."""
    page.evaluate("scrollTo(0, 0)")
    found = Axe().run(page, options=RULES).response["violations"]
    return [
        f"{moment} {rule['id']}: {node['html'][:160]}" for rule in found for node in rule["nodes"]
    ]


def _fulfill(html: str, route: Route) -> None:
    route.fulfill(body=html, content_type="text/html")


@pytest.fixture
def tables(transactional_db: None) -> None:
    ranking_task()
    demonstration_task()
    prompt_writing_task()


@pytest.fixture
def tokens(ada: User, olga: User) -> None:
    create_token(user=ada, name="notebook", scopes=["read"])
    create_token(user=olga)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_labeler_s_pages(
    browse: Open, ada: User, tables: None, tokens: None, theme: str
) -> None:
    page = browse(ada)
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    found = [line for path in LABELER for line in violations(page, path)]
    assert not found, "\n".join(found)
    page.context.clear_cookies()
    assert violations(page, "/login/") == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_moment_of_a_ranking(browse: Open, ada: User, theme: str) -> None:
    ranking_task()
    Prompt.objects.update(topic="violence")
    page = browse(ada)
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    found = violations(page, "/work/ranking/")
    expect(page.get_by_role("heading", name="This may be hard to read")).to_be_visible()
    for keys, moment in (
        ("Enter", "rate"), ("h 6 2 6 1 Enter", "board"), ("o p ArrowRight x", "pinned"),
        ("Backspace", "off the board"), ("ArrowUp d Home Enter", "review"),
        ("Control+Enter", "asked"), ("?", "keys"), ("Escape g", "guideline"),
        ("Escape Alt+s", "skip"), ("Escape Alt+r", "report"),
    ):  # fmt: skip
        for key in keys.split():
            page.keyboard.press(key)
        found += now(page, moment)
    page.keyboard.press("Escape")
    page.context.clear_cookies(name="sessionid")
    page.keyboard.press("b")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("heading", name="You have been logged out")).to_be_visible()
    found += now(page, "log in again")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_was_written_and_what_is_amended(
    browse: Open, ada: User, olga: User, theme: str
) -> None:
    demonstration_task()
    prompt_writing_task()
    page = browse(ada)
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    page.goto("/work/demonstration/")
    page.get_by_label("The response you would want").fill("# Light\n\n`water` | **air**")
    expect(page.get_by_role("region", name="Preview").get_by_text("Light")).to_be_visible()
    found = now(page, "demonstration")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/work/demonstration/")
    done = Assignment.objects.get(labeler=ada)
    told = report(assignment_id=done.pk, labeler=ada, text="There is no question in it.")
    answer(report_id=told.pk, by=olga, text="Then skip it.")
    for path in (
        "/",
        "/work/mine/",
        f"/work/mine/{done.pk}/",
        f"/work/assignments/{done.pk}/amend/",
    ):
        found += violations(page, path)
    page.goto("/work/prompt_writing/")
    page.get_by_label("Few-shot").check()
    page.get_by_role("button", name="Submit").click()
    found += now(page, "few-shot prompt with an error")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_guidelines_errors_and_the_login(browse: Open, ada: User, theme: str) -> None:
    first = publish_guideline(kind="ranking", purpose="training", text="# One\n\n- **a**\n- b")
    first.reads.create(labeler=ada)
    publish_guideline(
        kind="ranking", purpose="training", text="# One\n\n- **a**\n- c\n\n| x |\n|---|"
    )
    page = browse(ada)
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    found = violations(page, "/guidelines/") + violations(page, "/guidelines/ranking/training/2/")
    assert page.locator("ins").count()
    found += violations(page, "/nothing/") + violations(page, "/password/changed/")
    for name in ("403", "403_csrf", "500"):
        html = render_to_string(f"{name}.html")
        page.route(f"**/{name}/", partial(_fulfill, html))
        found += violations(page, f"/{name}/")
    page.context.clear_cookies()
    page.goto("/login/")
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    found += now(page, "login refused")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_pages_of_desk_and_console(
    browse: Open, olga: User, ada: User, tokens: None, theme: str
) -> None:
    base: ModelVersion = adopt_base("tiny")
    labels = Labels(base, ada)
    labels.enough()
    round = start_round(preset="tiny")
    page = browse(olga)
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    round_page = f"/admin/trainer/traininground/{round.pk}/change/"
    found = [line for path in (*ADMIN_ROLES, round_page) for line in violations(page, path)]
    assert not found, "\n".join(found)
