"""No page breaks a rule of WCAG 2.2 AA that axe-core can check, in light and in dark."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from accounts.models import User
from models_service.models import ModelVersion
from models_service.services import adopt_base
from tests.browser.conftest import Open
from tests.browser.scenes import demonstration_task, prompt_writing_task, ranking_task
from tests.trainer.conftest import Labels
from trainer import services

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
}
LABELER = ("/", "/work/ranking/", "/work/demonstration/", "/work/prompt_writing/", "/guidelines/",
           "/work/mine/", "/work/topics/", "/password/")  # fmt: skip
DESK = ("/admin/", "/admin/trainer/traininground/", "/admin/trainer/traininground/add/",
        "/admin/models_service/modelversion/", "/admin/labeling/prompt/",
        "/admin/labeling/queue/", "/console/playground/")  # fmt: skip


def violations(page: Page, path: str) -> list[str]:
    """What axe finds on one page, a line each: rule, element."""
    page.goto(path)
    page.wait_for_load_state("networkidle")
    found = Axe().run(page, options=RULES).response["violations"]
    return [
        f"{path} {rule['id']}: {node['html'][:160]}" for rule in found for node in rule["nodes"]
    ]


@pytest.fixture
def tables(transactional_db: None) -> None:
    ranking_task()
    demonstration_task()
    prompt_writing_task()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_labeler_s_pages(browse: Open, ada: User, tables: None, theme: str) -> None:
    page = browse(ada)
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    found = [line for path in LABELER for line in violations(page, path)]
    assert not found, "\n".join(found)
    page.context.clear_cookies()
    assert violations(page, "/login/") == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_pages_of_desk_and_console(browse: Open, olga: User, ada: User, theme: str) -> None:
    base: ModelVersion = adopt_base("tiny")
    labels = Labels(base, ada)
    labels.enough()
    round = services.start_round(preset="tiny")
    page = browse(olga)
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    round_page = f"/admin/trainer/traininground/{round.pk}/change/"
    found = [line for path in (*DESK, round_page) for line in violations(page, path)]
    assert not found, "\n".join(found)
