"""The researcher's pages: who sees them, what the form holds, and which scripts may run there."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from accounts.models import User
from models_service.models import ModelVersion
from tests.trainer.conftest import Labels
from trainer.rounds.start import start_round
from trainer.rounds.start_form import number, start_form

pytestmark = pytest.mark.django_db
ClientOf = Callable[[User], Client]
PAGES = [
    "/admin/",
    "/admin/trainer/traininground/",
    "/admin/trainer/traininground/add/",
    "/admin/trainer/datasetsnapshot/",
    "/admin/trainer/savedrecipe/",
    "/admin/trainer/schedule/",
    "/admin/trainer/schedule/add/",
    "/admin/models_service/modelversion/",
    "/admin/models_service/promotion/",
    "/admin/trainer/evaluation/",
    "/admin/labeling/headtohead/",
    "/admin/labeling/headtohead/add/",
]


@pytest.mark.parametrize("page", PAGES)
def test_the_desk_is_open_to_researchers_and_admins_alone(
    base: ModelVersion, ada: User, rosa: User, olga: User, client_of: ClientOf, page: str
) -> None:
    assert Client().get(page).status_code == 302
    answer = client_of(ada).get(page, follow=True)
    assert answer.status_code == 403
    for person in (rosa, olga):
        assert client_of(person).get(page).status_code == 200


def test_the_form_offers_every_setting_with_the_paper_s_value(
    labels: Labels, rosa: User, client_of: ClientOf
) -> None:
    page = client_of(rosa).get("/admin/trainer/traininground/add/?preset=paper").content.decode()
    for name in ("sft.epochs", "reward.batch_size", "ppo.kl_coefficient", "evaluation.prompts"):
        assert f'name="{name}"' in page
    form = start_form({"preset": "paper"})
    ppo = next(stage for stage in form.stages if stage.name == "ppo")
    setting = next(s for s in ppo.settings if s.name == "ptx_coefficient")
    assert (setting.shown, setting.shown_paper) == ("27.8", "27.8")
    assert [title for title, _, _ in form.labels][:2] == ["Demonstrations", "Rankings"]
    assert not form.enough


def test_numbers_are_written_as_people_do() -> None:
    assert [number(v) for v in (9e-6, 0.02, 27.8, 16, True)] == [
        "9e-6",
        "0.02",
        "27.8",
        "16",
        "true",
    ]


def test_a_round_s_page_holds_a_card_for_every_stage(
    labels: Labels, rosa: User, client_of: ClientOf
) -> None:
    labels.enough()
    round = start_round(preset="tiny", recipe={"stages": ["sft", "reward"]})
    url = f"/admin/trainer/traininground/{round.pk}/change/"
    page = client_of(rosa).get(url).content.decode()
    assert page.count('data-round-target="stage"') == 2
    assert f"/api/v1/rounds/{round.pk}/metrics/" in page


def test_a_version_s_page_links_its_line(
    base: ModelVersion, rosa: User, client_of: ClientOf
) -> None:
    child = ModelVersion.objects.create(name="child", kind="sft", checkpoint="c", parent=base)
    page = client_of(rosa).get(f"/admin/models_service/modelversion/{child.pk}/change/")
    assert f"/admin/models_service/modelversion/{base.pk}/change/" in page.content.decode()
    ask = (
        client_of(rosa)
        .get(f"/admin/trainer/evaluation/versions/{child.pk}/promote/")
        .content.decode()
    )
    assert "expire" in ask and "Promote child" in ask


def test_nothing_inline_runs_on_the_desk(
    base: ModelVersion, rosa: User, client_of: ClientOf
) -> None:
    policy = client_of(rosa).get("/admin/")["Content-Security-Policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert "'unsafe-inline'" not in rules["script-src"]
    assert "'unsafe-eval'" in rules["script-src"]
    assert rules["default-src"] == "'none'"
    elsewhere = client_of(rosa).get("/login/")["Content-Security-Policy"]
    assert "unsafe" not in elsewhere
