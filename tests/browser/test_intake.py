"""An admin brings a file in over a connection that breaks, and empties the quarantine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from accounts.models import User
from labeling import tasks
from labeling.intake import uploads
from labeling.intake.prompts import add_prompts
from labeling.intake.rows import NewPrompt
from labeling.models import Import, Prompt
from tests.browser.conftest import Open
from tests.browser.scenes import demonstration_task

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ROWS = [
    {"prompt": "Why is the sky blue on a clear day?", "author": "a", "use_case": "open_qa"},
    {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]},
    {"prompt": "Write to ada@lovelace.io about the engine."},
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Three good rows and a bad one, under a wrong name."""
    path = tmp_path / "prompts.csv"
    path.write_text("\n".join([*map(json.dumps, ROWS), "oops"]), encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def worker(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages are worked on at once, and pieces are short."""
    settings.UPLOAD_DIR = tmp_path / "uploads"
    monkeypatch.setattr(tasks.check_import, "delay", tasks.check_import)
    monkeypatch.setattr(tasks.store_import, "delay", tasks.store_import)
    monkeypatch.setattr("labeling.admin.intake.CHUNK", 100)
    monkeypatch.setattr(uploads, "CHUNK", 100)


def _choose(page: Page, file: Path) -> None:
    page.locator("input[type=file]").set_input_files(file)


def test_a_broken_upload_goes_on_and_a_file_is_looked_at_before_it_counts(
    browse: Open, olga: User, file: Path
) -> None:
    page = browse(olga)
    page.goto("/admin/labeling/import/")
    page.goto("/admin/labeling/import/add/")
    sent: list[str] = []
    broken = {True}

    def lose(route: Route) -> None:
        """The second piece, and from the fourth on each until the page is opened again."""
        sent.append(route.request.url)
        if len(sent) == 2 or (len(sent) > 3 and broken):
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route("**/content/**", lose)
    _choose(page, file)
    expect(page.get_by_text("No answer from the server.")).to_be_visible()
    expect(page.get_by_text("Uploaded: 200 bytes")).to_be_visible()
    page.reload()
    broken.clear()
    expect(page.get_by_text("Choose the same file again")).to_be_visible()
    other = file.with_name("other.csv")
    other.write_text("prompt\nHi\n")
    _choose(page, other)
    expect(page.get_by_role("alert")).to_contain_text("This is another file")
    _choose(page, file)
    expect(page.get_by_role("heading", name="What would be imported")).to_be_visible()
    assert Import.objects.count() == 1

    expect(page.get_by_text("4 rows of JSON lines, 1 of them bad")).to_be_visible()
    expect(page.get_by_role("row", name="line is not JSON")).to_contain_text("oops")
    expect(page.get_by_role("row", name="ada@lovelace.io")).to_contain_text("email")
    expect(page.get_by_role("button", name="Import", exact=True)).to_be_disabled()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download all of them").click()
    assert "4,line is not JSON" in Path(download.value.path()).read_text()
    assert not Prompt.objects.exists()
    page.get_by_label("Skip the bad lines").check()
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_role("heading", name="What was imported")).to_be_visible()
    assert Prompt.objects.count() == 3
    page.get_by_role("link", name="See the quarantine").click()
    expect(page.get_by_role("link", name="E-mail address 1 prompt")).to_be_visible()


def test_an_import_is_cancelled(browse: Open, olga: User, file: Path) -> None:
    page = browse(olga)
    page.goto("/admin/labeling/import/add/")
    _choose(page, file)
    expect(page.get_by_role("heading", name="What would be imported")).to_be_visible()
    page.get_by_role("button", name="Cancel the import").click()
    expect(page.get_by_text("Cancelled")).to_be_visible()
    assert not Prompt.objects.exists()
    page.goto("/admin/labeling/import/")
    expect(page.get_by_role("row", name="prompts.csv")).to_contain_text("Cancelled")


def _quarantined(count: int) -> None:
    rows = [
        NewPrompt(
            [{"role": "user", "content": f"Letter {n}: write to reader{n}@mail.com about it."}]
        )
        for n in range(count)
    ]
    assert add_prompts(rows, source="api").quarantined == count


def _press(page: Page, key: str) -> None:
    """Press a key once the page listens."""
    page.wait_for_load_state("networkidle")
    page.keyboard.press(key)


def test_the_quarantine_is_emptied_by_keys(browse: Open, olga: User) -> None:
    _quarantined(4)
    page = browse(olga)
    page.goto("/admin/labeling/quarantinedprompt/")
    page.get_by_role("row", name="reader3@mail.com").get_by_role("link").first.click()
    expect(page.locator("mark")).to_contain_text("reader3@mail.com")
    _press(page, "j")
    expect(page.locator("mark")).to_contain_text("reader2@mail.com")
    _press(page, "k")
    expect(page.locator("mark")).to_contain_text("reader3@mail.com")

    page.get_by_label("User").fill("Letter 3: write to them at once@mail.com about it.")
    page.get_by_role("button", name="Redact and let it go on").click()
    expect(page.get_by_role("alert")).to_contain_text("Still found: email.")
    page.get_by_label("User").fill("Letter 3: write to them about it.")
    page.get_by_role("button", name="Redact and let it go on").click()
    expect(page.locator("mark")).to_contain_text("reader2@mail.com")
    _press(page, "r")
    expect(page.locator("mark")).to_contain_text("reader1@mail.com")
    _press(page, "e")
    page.keyboard.type("Invented for the prompt")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("1 prompt released")
    _press(page, "d")
    expect(page.get_by_text("1 prompt dropped")).to_be_visible()
    states = list(Prompt.objects.order_by("-pk").values_list("state", flat=True))
    assert states == ["active", "active", "active", "withdrawn"]
    texts = [prompt.last_message for prompt in Prompt.objects.order_by("-pk")[:2]]
    assert texts == ["Letter 3: write to them about it.", "Letter 2: write to [EMAIL] about it."]


def test_many_are_redacted_at_once(browse: Open, olga: User) -> None:
    _quarantined(3)
    page = browse(olga)
    page.goto("/admin/labeling/quarantinedprompt/")
    page.locator("#action-toggle").check()
    page.locator("select[name=action]").select_option("redact")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text("this cannot be undone")).to_be_visible()
    page.get_by_role("button", name="Redact prompts").click()
    expect(page.get_by_text("Nothing waits")).to_be_visible()
    assert not Prompt.objects.filter(state="quarantined").exists()


def test_a_labeler_says_what_a_prompt_is_for(browse: Open, ada: User) -> None:
    demonstration_task()
    page = browse(ada)
    page.goto("/work/demonstration/")
    page.wait_for_load_state("networkidle")
    with page.expect_response("**/use-case/"):
        page.get_by_label("Use case").select_option("chat")
    assert Prompt.objects.get().use_case == "chat"
