"""My work and amending it; reports, guidelines, covers, topics and head-to-head, in a browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Route, expect

from accounts.models import User
from labeling.models import (
    Assignment,
    Demonstration,
    Guideline,
    LabelingTask,
    Prompt,
    Ranking,
    Report,
    Slot,
)
from labeling.review.reports import answer
from labeling.work.guidelines import current_form, publish_guideline
from tests.browser.conftest import Open
from tests.browser.scenes import COMPLETIONS, demonstration_task, prompt_writing_task, ranking_task

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

EDITOR = "The response you would want"


def test_a_ranking_is_found_again_and_amended_with_keys(browse: Open, ada: User) -> None:
    ranking_task()
    page = _begin(browse(ada), "ranking")
    _press(page, "4", "3", "2", "1", "Enter", "Enter", "Control+Enter")
    page.wait_for_url("**/work/ranking/")
    page.goto("/work/mine/?q=tides")
    page.get_by_role("link", name=re.compile("Why are there tides")).click()
    page.wait_for_url("**/work/mine/*/")
    expect(page.get_by_text("4/7")).to_be_visible()
    page.keyboard.press("e")
    page.wait_for_url("**/amend/")
    expect(page.get_by_role("button", name="Keep this version instead")).to_be_visible()
    _press(page, "b", "d", "Home", "Enter", "Control+Enter", "Control+Enter")
    page.wait_for_url("**/work/mine/*/")
    expect(page.get_by_role("heading", name="Version 2, which counts")).to_be_visible()
    old, new = Ranking.objects.order_by("pk")
    assert (new.supersedes, old.excluded_at is None, new.excluded_at) == (old, False, None)
    shown = new.display_order
    ranks = dict(new.ranked.values_list("completion_id", "rank"))
    assert [ranks[item] for item in shown] == [2, 3, 4, 1]


def test_a_change_while_the_submit_is_on_its_way_becomes_an_amendment(
    browse: Open, ada: User
) -> None:
    demonstration_task()
    page = _begin(browse(ada), "demonstration")
    page.get_by_label(EDITOR).fill("The first thought")
    on_the_way: list[Route] = []
    page.route("**/submit/", lambda route: on_the_way.append(route))
    with page.expect_request("**/submit/"):
        page.keyboard.press("Control+Enter")
    page.get_by_label(EDITOR).fill("The second thought")
    on_the_way[0].continue_()
    page.get_by_role("button", name="Amend it with the change").click()
    page.wait_for_url("**/amend/")
    expect(page.get_by_label(EDITOR)).to_have_value("The second thought")
    assert Demonstration.objects.get().text == "The first thought"
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/work/mine/*/")
    assert Demonstration.objects.get(excluded_at=None).text == "The second thought"


def test_a_report_is_sent_with_keys_and_its_answer_put_away(
    browse: Open, ada: User, olga: User
) -> None:
    demonstration_task()
    page = _begin(browse(ada), "demonstration")
    page.keyboard.press("Alt+r")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Write in a few words what is the matter")).to_be_visible()
    page.keyboard.type("There is no question in it.")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Reported. The answer comes to your first page.")).to_be_visible()
    told = Report.objects.get()
    assert (told.text, told.assignment.state) == ("There is no question in it.", "active")
    answer(report_id=told.pk, by=olga, text="Then skip it.")
    page.goto("/")
    page.get_by_role("button", name="Got it").click()
    expect(page.get_by_text("Then skip it.")).to_have_count(0)
    told.refresh_from_db()
    assert told.seen_at is not None


def test_what_may_distress_is_covered_until_it_is_chosen_and_a_topic_is_declined(
    browse: Open, ada: User
) -> None:
    task = ranking_task()
    Prompt.objects.update(topic="violence")
    page = _begin(browse(ada), "ranking")
    expect(page.get_by_role("heading", name="This may be hard to read")).to_be_visible()
    page.keyboard.press("6")  # nothing behind the cover answers
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="This may be hard to read")).to_be_hidden()
    expect(page.get_by_role("button", name="6", exact=True)).to_have_attribute(
        "aria-pressed", "false"
    )
    page.reload()
    expect(page.get_by_role("heading", name="Completion A")).to_be_visible()

    page.goto("/work/topics/")
    page.get_by_label("violence").uncheck()
    expect(page.get_by_role("status")).to_have_text(re.compile("Kept"))
    ada.labeler.refresh_from_db()  # type: ignore[attr-defined]
    assert ada.labeler.declined_topics == ["violence"]  # type: ignore[attr-defined]
    assert task.slots.get().state == "held"


def test_a_changed_guideline_is_read_and_acknowledged_with_keys(browse: Open, ada: User) -> None:
    ranking_task()
    page = _begin(browse(ada), "ranking")
    expect(page.get_by_text("You have not read this guideline yet")).to_be_visible()
    _press(page, "g", "a")
    expect(page.get_by_text("You have not read this guideline yet")).to_be_hidden()
    text = "# Ranking\n\nPut **truthfulness** first, then helpfulness, then harmlessness."
    newest = publish_guideline(kind="ranking", purpose="training", text=text)
    page.reload()
    expect(page.get_by_text("version 2 is new to you")).to_be_visible()
    page.keyboard.press("g")
    expect(page.get_by_role("dialog").locator("strong ins")).to_have_text("truthfulness")
    page.get_by_role("button", name="I have read it").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert Assignment.objects.get().guideline == newest
    page.keyboard.press("5")  # the keys are the page's again
    expect(page.get_by_role("heading", name="Completion B")).to_be_visible()


def test_the_next_guideline_is_written_from_the_last_one(browse: Open, rosa: User) -> None:
    old = publish_guideline(kind="ranking", purpose="training", text="# Ranking\n\nBe kind.")
    page = browse(rosa)
    page.goto("/admin/labeling/guideline/")
    page.get_by_role("link", name=str(old)).click()
    page.get_by_role("link", name="New version from this one").click()
    text = page.get_by_label("Text, in Markdown")
    expect(text).to_have_value("# Ranking\n\nBe kind.")
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_role("alert")).to_contain_text("change something first")
    text.fill("# Ranking\n\nBe **true**, then kind.")
    expect(page.locator("strong ins")).to_have_text("true")
    page.reload()
    expect(text).to_have_value("# Ranking\n\nBe **true**, then kind.")
    page.get_by_role("button", name="Publish").click()
    expect(page).to_have_url(re.compile("/guidelines/ranking/training/2/$"))
    assert Guideline.objects.latest("version").text == "# Ranking\n\nBe **true**, then kind."


def test_two_are_compared_side_by_side_in_five_keystrokes(browse: Open, ada: User) -> None:
    _evaluate(ranking_task(COMPLETIONS[:2]))
    page = _begin(browse(ada), "ranking")
    expect(page.get_by_text("never trained on")).to_be_visible()
    _press(page, "6", "2", "Enter")
    for letter in "AB":
        expect(page.get_by_role("article", name=f"Completion {letter}")).to_be_visible()
    _press(page, "Enter", "Control+Enter")
    page.wait_for_url("**/work/ranking/")
    places = Ranking.objects.get().ranked.values_list("rank", "overall")
    assert sorted(places) == [(1, 6), (2, 2)]


def test_a_prompt_like_an_older_one_is_noticed(browse: Open, ada: User) -> None:
    for _ in range(2):
        prompt_writing_task()
    page = _begin(browse(ada), "prompt_writing")
    page.get_by_role("textbox", name="Instruction").fill("Write a poem about the sea.")
    first = page.url
    page.keyboard.press("Control+Enter")
    page.wait_for_url(lambda url: "/work/assignments/" in url and url != first)
    page.get_by_role("textbox", name="Instruction").fill("Write a poem about the sky.")
    expect(page.get_by_text("Much like one you wrote lately, 75 %")).to_be_visible()
    expect(page.get_by_role("row", name="write a")).to_be_visible()


def test_the_rating_form_gets_a_flag_with_a_preview(browse: Open, rosa: User) -> None:
    current_form()
    page = browse(rosa)
    page.goto("/admin/rating-form/")
    page.get_by_role("button", name="Add a flag").click()
    page.keyboard.type("Sounds rude")
    for words in ("rude", "stance", "o"):
        page.keyboard.press("Tab")
        page.keyboard.type(words)
    expect(page.locator(".form-preview").get_by_text("Sounds rude")).to_be_visible()
    page.get_by_role("button", name="Publish version 2").click()
    expect(page.get_by_text("Two flags have the same key")).to_be_visible()
    page.get_by_label("Key", exact=True).last.fill("r")
    page.get_by_role("button", name="Remove").first.click()
    page.get_by_role("button", name="Publish version 2").click()
    expect(page.get_by_text("Version 2 is published")).to_be_visible()
    flags = current_form().fields["flags"]
    assert flags[-1] == {"name": "rude", "label": "Sounds rude", "group": "stance", "key": "r"}
    assert (len(flags), flags[0]["name"]) == (11, "inappropriate")


def _evaluate(task: LabelingTask) -> None:
    LabelingTask.objects.filter(pk=task.pk).update(purpose="evaluation")
    Slot.objects.filter(task=task).update(purpose="evaluation")


def _begin(page: Page, kind: str) -> Page:
    page.goto(f"/work/{kind}/")
    page.wait_for_url("**/work/assignments/*/")
    return page


def _press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)
