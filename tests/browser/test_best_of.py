"""A researcher adds a policy that says the best of several answers, without a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings
from playwright.sync_api import expect

from accounts.models import User
from models_service.lm.checkpoint import load_policy, save_reward
from models_service.lm.heads import ScalarModel
from models_service.models import Kind, ModelVersion
from models_service.services import adopt_base, register_version
from tests.browser.conftest import Open

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_the_best_of_several_answers_is_added_as_a_version(browse: Open, rosa: User) -> None:
    base = adopt_base("tiny")
    policy, tokenizer = load_policy(base.folder)
    folder = Path(settings.CHECKPOINT_DIR) / "judge"
    save_reward(ScalarModel.from_policy(policy), tokenizer, folder)
    judge = register_version(name="judge", kind=Kind.REWARD, folder=folder)
    page = browse(rosa)
    page.goto("/admin/versions/add/")
    form = page.locator("form").filter(has_text="The best of several answers")
    form.get_by_label("Name here").fill("tiny, best of 4")
    form.get_by_label("Judged by").select_option("judge")
    form.get_by_label("Answers drawn").fill("1")
    form.get_by_role("button", name="Add the version").click()
    expect(form.get_by_role("alert")).to_contain_text("2")
    form.get_by_label("Answers drawn").fill("4")
    form.get_by_role("button", name="Add the version").click()
    expect(form.get_by_role("status")).to_contain_text("It is added")
    best = ModelVersion.objects.get(name="tiny, best of 4")
    assert (best.parent, best.judge, best.best_of) == (base, judge, 4)
