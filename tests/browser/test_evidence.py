"""From an evaluation to a promotion and back: what a researcher does with the evidence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.db.models import F
from playwright.sync_api import Page, expect

from accounts.models import User
from labeling.human_evaluation.evaluations import open_head_to_head
from labeling.models import HeadToHead, LabelingTask
from labeling.work.guidelines import publish_guideline
from models_service.models import ModelVersion
from models_service.selectors import promoted
from tests.browser.conftest import Open
from tests.browser.test_axe import violations
from tests.trainer.conftest import Labels, base, labels, reward  # noqa: F401
from tests.trainer.evaluation.test_head_to_heads import answered
from trainer.evaluation import jobs
from trainer.models import Measurement

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def tuned(base: ModelVersion) -> ModelVersion:  # noqa: F811
    """A policy with weights that may follow the promoted one."""
    return ModelVersion.objects.create(
        name="tuned", kind="policy", checkpoint=base.checkpoint, parent=base
    )


def ask(page: Page, button: str, answer: str) -> None:
    page.get_by_role("button", name=button, exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name=answer, exact=True).click()


def test_evaluated_promoted_against_a_gate_and_rolled_back(
    browse: Open, rosa: User, ada: User, base: ModelVersion, tuned: ModelVersion,  # noqa: F811
    labels: Labels, reward: ModelVersion, tmp_path: Path,  # noqa: F811
) -> None:  # fmt: skip
    publish_guideline(kind="ranking", purpose="evaluation", text="Truth first.")
    for _ in range(6):
        labels.prompt("test")
    labels.ranking()
    page = browse(rosa)
    page.goto("/admin/labeling/headtohead/add/")
    row = page.locator('[data-labels="labels_training"]')
    expect(row.locator('[data-slot="prompts_needed"]')).to_have_text("191")
    page.get_by_label("How many prompts").fill("60")
    expect(row.locator('[data-slot="half_width"]')).to_have_text("± 12.9")
    page.get_by_label("tuned", exact=True).check()
    page.get_by_label("tiny is the baseline").check()
    page.get_by_role("button", name="Start the evaluation").click()
    expect(page.get_by_text("Choose from 1 to 6").first).to_be_visible()
    page.get_by_label("How many prompts").fill("6")
    page.get_by_role("button", name="Start the evaluation").click()
    expect(page.get_by_text("0 of 6 labels are given.")).to_be_visible()

    contest = HeadToHead.objects.get()
    answered(contest, ada, [(2, 1)] * 5 + [(1, 1)])
    expect(page.get_by_text("6 of 6 labels are given.")).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("^Win rate against tiny"))).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Win rate against tiny as SVG").click()
    assert "tuned" in Path(download.value.path()).read_text()

    ask(page, "Close", "Close")
    expect(page.locator(".head .badge")).to_have_text("Closed")
    jobs.perform(Measurement.objects.get().pk)
    expect(page.get_by_text("Measured")).to_be_visible()
    expect(page.get_by_text("Divergence from tiny", exact=True)).to_be_visible()

    page.goto(f"/admin/trainer/evaluation/versions/{tuned.pk}/promote/")
    # Five wins and a tie of six: preferred, near, and no flag was set.
    expect(page.locator(".gates .badge")).to_have_text(["Met"] * 4)
    expect(page.get_by_text("1 ranking task waits with answers of tiny")).to_be_visible()

    contest.evaluations.update(figures={})
    page.reload()
    expect(page.locator(".gates .badge")).to_have_text([*["Not met"] * 3, "Met"])
    page.get_by_role("button", name="Promote tuned").click()
    expect(page.locator(".field-error:visible")).to_contain_text("Give the reason")
    assert promoted("policy") == base
    page.get_by_label("Reason", exact=True).fill("A trial among friends.")
    page.get_by_role("button", name="Promote tuned").click()
    expect(page.get_by_text("Promoted policy").first).to_be_visible()
    expect(page.get_by_role("cell", name="A trial among friends.")).to_be_visible()
    assert promoted("policy") == tuned
    assert not LabelingTask.objects.filter(purpose="training", state="open").exists()

    expect(page.get_by_text("The reward model does not follow the policy")).to_be_visible()
    ask(page, "Roll back to tiny", "Roll back to tiny")
    expect(page.get_by_role("cell", name="Rolled back from tuned.")).to_be_visible()
    assert promoted("policy") == base


def test_doubtful_prompts_are_chosen_and_asked_again(
    browse: Open, rosa: User, labels: Labels, reward: ModelVersion  # noqa: F811
) -> None:  # fmt: skip
    for turned in (False, True, False, True):
        ranking = labels.ranking("validation", ranks=(1, 2))
        if turned:
            ranking.ranked.update(rank=3 - F("rank"))
    page = browse(rosa)
    page.goto(f"/admin/trainer/evaluation/versions/{reward.pk}/diagnosis/")
    ask(page, "Diagnose", "Diagnose")
    expect(page.get_by_text("0 of 0 answers are scored")).to_be_visible()
    jobs.perform(Measurement.objects.get().pk)
    page.reload()
    expect(page.get_by_role("img", name=re.compile("^Accuracy by labeler"))).to_be_visible()
    count = page.get_by_role("checkbox").count() - 1
    assert count == 2  # of two texts it prefers one, whichever that is
    page.get_by_label("All of these").check()
    page.get_by_role("button", name="Ask 2 prompts again").click()
    page.get_by_role("dialog").get_by_role("button", name="Ask again", exact=True).click()
    expect(page.get_by_text("2 prompts will be asked again.")).to_be_visible()
    page.get_by_role("link", name="See or undo it").click()
    ask(page, "Undo", "Undo")
    expect(page.locator(".console .notice")).to_contain_text("Undone")
    assert not LabelingTask.objects.filter(state="sampling").exists()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_pages_of_evidence_have_no_barriers(
    browse: Open, rosa: User, ada: User, base: ModelVersion, tuned: ModelVersion,  # noqa: F811
    labels: Labels, reward: ModelVersion, theme: str,  # noqa: F811
) -> None:  # fmt: skip
    publish_guideline(kind="ranking", purpose="evaluation", text="Truth first.")
    for _ in range(3):
        labels.prompt("test")
    contest = open_head_to_head(ladder=[base, tuned], baseline=base, prompts=3, by=rosa)
    answered(contest, ada, [(2, 1), (1, 1), (1, 2)])
    label = labels.ranking("validation", ranks=(1, 2))
    for measurement in (
        jobs.request_measurement(contest=contest),
        jobs.request_diagnosis(reward=reward),
    ):
        assert jobs.perform(measurement.pk)
    page = browse(rosa)
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    pages = [
        "/admin/labeling/headtohead/add/",
        f"/admin/labeling/headtohead/{contest.pk}/change/",
        *(f"/admin/trainer/evaluation/versions/{tuned.pk}/{name}/"
          for name in ("promote", "lineage", "card")),
        f"/admin/trainer/evaluation/versions/{base.pk}/divergence/",
        f"/admin/trainer/evaluation/versions/{reward.pk}/diagnosis/",
        f"/admin/trainer/evaluation/labels/ranking/{label.pk}/lineage/",
    ]  # fmt: skip
    found = [line for path in pages for line in violations(page, path)]
    assert not found, "\n".join(found)
