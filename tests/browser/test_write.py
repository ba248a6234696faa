"""A labeler logs in, writes a demonstration and a prompt, and loses nothing on the way."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from labeling.models import Assignment, Demonstration, Prompt
from labeling.work.guidelines import publish_guideline
from tests.browser.conftest import Open
from tests.browser.pages import log_in
from tests.browser.scenes import demonstration_task, prompt_writing_task

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

TEXT = "Give it **light**, water from below, and pick the tops.\n\n- never let it flower"
EDITOR = "The response you would want"


def test_it_logs_in_and_writes_a_demonstration(
    chromium: Browser, live_server: LiveServer, ada: User
) -> None:
    task = demonstration_task()
    page = chromium.new_page(base_url=live_server.url)
    page.goto("/work/demonstration/")
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill("ada-password")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/work/assignments/*/")

    page.get_by_label(EDITOR).fill(TEXT)
    expect(page.get_by_role("region", name="Preview").locator("strong")).to_have_text("light")
    expect(page.get_by_text("14 words")).to_be_visible()
    _wait_until_saved(page)
    page.reload()
    expect(page.get_by_label(EDITOR)).to_have_value(TEXT)

    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/work/demonstration/")
    stored = Demonstration.objects.get(task=task)
    assert (stored.text, stored.labeler) == (TEXT, ada)
    page.close()


def test_an_empty_demonstration_is_refused_in_place(browse: Open, ada: User) -> None:
    demonstration_task()
    page = _begin(browse(ada), "demonstration")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Write the response first")).to_be_visible()
    assert not Demonstration.objects.exists()


def test_what_is_written_offline_is_back_after_a_crash(browse: Open, ada: User) -> None:
    demonstration_task()
    page = _begin(browse(ada), "demonstration")
    page.context.set_offline(True)
    page.get_by_label(EDITOR).fill("Half a tho")
    expect(page.get_by_text("Offline, kept on this computer")).to_be_visible()

    address, context = page.url, page.context
    page.close()
    context.set_offline(False)
    page = context.new_page()
    page.goto(address)
    expect(page.get_by_label(EDITOR)).to_have_value("Half a tho")
    expect(page.get_by_text("had not reached the server")).to_be_visible()
    _wait_until_saved(page)
    assert Assignment.objects.get(labeler=ada).draft["text"] == "Half a tho"


def test_a_second_tab_is_noticed_and_either_can_go_on(browse: Open, ada: User) -> None:
    demonstration_task()
    first = _begin(browse(ada), "demonstration")
    second = first.context.new_page()
    second.goto(first.url)
    second.get_by_label(EDITOR).fill("From the second tab")
    _wait_until_saved(second)

    first.get_by_label(EDITOR).fill("From the first tab")
    expect(first.get_by_text("This task is open in another tab")).to_be_visible()
    assert Assignment.objects.get(labeler=ada).draft["text"] == "From the second tab"
    first.get_by_role("button", name="Go on in this tab").click()
    _wait_until_saved(first)
    assert Assignment.objects.get(labeler=ada).draft["text"] == "From the first tab"


def test_what_the_other_tab_saved_is_shown_and_this_tabs_text_offered(
    browse: Open, ada: User
) -> None:
    demonstration_task()
    first = _begin(browse(ada), "demonstration")
    second = first.context.new_page()
    second.goto(first.url)
    second.get_by_label(EDITOR).fill("From the second tab")
    _wait_until_saved(second)

    first.get_by_label(EDITOR).fill("From the first tab")
    first.get_by_role("button", name="Show what the other tab saved").click()
    expect(first.get_by_label(EDITOR)).to_have_value("From the second tab")
    first.get_by_role("button", name="Use the one from this computer").click()
    expect(first.get_by_label(EDITOR)).to_have_value("From the first tab")


def test_an_edit_after_a_submit_without_a_server_is_what_is_submitted(
    browse: Open, ada: User
) -> None:
    task = demonstration_task()
    page = _begin(browse(ada), "demonstration")
    page.get_by_label(EDITOR).fill("The first thought")
    page.context.set_offline(True)
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Not sent: the server cannot be reached")).to_be_visible()
    page.get_by_label(EDITOR).fill("The second thought")
    expect(page.get_by_text("Not sent: you changed it")).to_be_visible()

    page.context.set_offline(False)
    _wait_until_saved(page)
    assert not Demonstration.objects.exists()
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/work/demonstration/")
    assert Demonstration.objects.get(task=task).text == "The second thought"


def test_a_submit_reaches_a_server_that_was_down(browse: Open, ada: User) -> None:
    task = demonstration_task()
    page = _begin(browse(ada), "demonstration")
    page.get_by_label(EDITOR).fill("Patience")
    page.route("**/submit/", lambda route: route.abort(), times=1)
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/work/demonstration/")
    assert Demonstration.objects.get(task=task).text == "Patience"


def test_a_page_that_looks_for_tasks_leads_to_the_login_once_logged_out(
    browse: Open, ada: User
) -> None:
    page = browse(ada)
    page.clock.install()
    page.goto("/work/demonstration/")
    expect(page.get_by_text("Nothing waits just now")).to_be_visible()
    page.context.clear_cookies(name="sessionid")
    page.clock.run_for(20_000)
    page.wait_for_url("**/login/?next=/work/demonstration/")


def test_an_expired_session_is_renewed_in_place(browse: Open, ada: User) -> None:
    demonstration_task()
    page = _begin(browse(ada), "demonstration")
    page.context.clear_cookies(name="sessionid")
    page.get_by_label(EDITOR).fill("Written while logged out")
    page.get_by_label("Password of ada").fill("ada-password")
    page.get_by_role("button", name="Log in").click()
    _wait_until_saved(page)
    assert Assignment.objects.get(labeler=ada).draft["text"] == "Written while logged out"


def test_a_skipped_task_goes_back_with_the_reason(browse: Open, ada: User) -> None:
    demonstration_task()
    page = _begin(browse(ada), "demonstration")
    page.keyboard.press("Alt+s")
    page.get_by_label("It is beyond my knowledge").check()
    page.get_by_role("button", name="Skip it").click()
    page.wait_for_url("**/work/demonstration/")
    skipped = Assignment.objects.get(labeler=ada)
    assert (skipped.state, skipped.release_reason) == ("released", "beyond_my_knowledge")


def test_after_submitting_the_next_task_is_there(browse: Open, ada: User) -> None:
    demonstration_task("What is a fugue?")
    demonstration_task("Why is the sky blue?")
    page = _begin(browse(ada), "demonstration")
    page.get_by_label(EDITOR).fill("An answer.")
    first = page.url
    page.keyboard.press("Control+Enter")
    page.wait_for_url(lambda url: "/work/assignments/" in url and url != first)
    expect(page.get_by_label(EDITOR)).to_have_value("")


def test_one_can_write_at_once_and_reach_the_guideline_from_there(browse: Open, ada: User) -> None:
    demonstration_task("What is a fugue?")
    demonstration_task("Why is the sky blue?")
    publish_guideline(kind="demonstration", purpose="training", text="# Demonstrations")
    page = _begin(browse(ada), "demonstration")
    for _ in range(2):
        expect(page.get_by_label(EDITOR)).to_be_focused()
        page.keyboard.type("go")
        page.keyboard.press("Alt+g")
        expect(page.get_by_role("dialog")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_label(EDITOR)).to_have_value("go")
        first = page.url
        page.keyboard.press("Control+Enter")
        page.wait_for_url(lambda url, first=first: url != first)


def test_a_few_shot_prompt_needs_two_pairs(browse: Open, ada: User) -> None:
    prompt_writing_task()
    page = _begin(browse(ada), "prompt_writing")
    page.get_by_label("Few-shot").check()
    page.get_by_role("textbox", name="Instruction").fill("Name the capital.")
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_text("needs at least 2 whole pairs")).to_be_visible()
    for pair, (given, wanted) in enumerate([("Ghana", "Accra"), ("Peru", "Lima")], start=1):
        group = page.get_by_role("group", name=f"Pair {pair}")
        group.get_by_label("Input").fill(given)
        group.get_by_label("Output").fill(wanted)
    page.get_by_role("button", name="Submit").click()
    page.wait_for_url("**/work/prompt_writing/")
    stored = Prompt.objects.get(source="labeler")
    assert stored.kind == "few_shot"
    assert stored.examples[1] == {"input": "Peru", "output": "Lima"}


def _begin(page: Page, kind: str) -> Page:
    page.goto(f"/work/{kind}/")
    page.wait_for_url("**/work/assignments/*/")
    return page


def _wait_until_saved(page: Page) -> None:
    expect(page.get_by_role("status")).to_have_text(re.compile(r"Saved \d"))


def test_a_prompt_with_somebodys_number_says_so_before_it_is_sent(browse: Open, ada: User) -> None:
    prompt_writing_task()
    page = browse(None)
    page.goto("/work/prompt_writing/")
    log_in(page, ada)
    instruction = page.get_by_role("textbox", name="Instruction")
    instruction.fill("Tell Jo Brandt at +49 30 901820 that the tide is late.")
    page.keyboard.press("Control+Enter")
    warning = page.get_by_text("This looks like somebody's own: a phone number (+49 30 901820).")
    expect(warning).to_be_visible()
    assert not Prompt.objects.filter(source=Prompt.Source.LABELER).exists()
    instruction.fill("Tell Jo, at the number below, that the tide is late.")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/work/prompt_writing/")
    assert Prompt.objects.get(source=Prompt.Source.LABELER).state == Prompt.State.ACTIVE


def test_a_made_up_number_is_sent_at_the_second_try(browse: Open, ada: User) -> None:
    prompt_writing_task()
    page = browse(None)
    page.goto("/work/prompt_writing/")
    log_in(page, ada)
    page.get_by_role("textbox", name="Instruction").fill("Whose number would +49 30 901820 be?")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("alert").filter(has_text="submit once more")).to_be_visible()
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/work/prompt_writing/")
    assert Prompt.objects.filter(source=Prompt.Source.LABELER).count() == 1
