"""A model is checked by a worker before it is taken up, and only what passes becomes a version."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.conf import settings
from django.test import Client

from accounts.models import AuditEntry, User
from core.problems import Problem
from models_service.lm.chat import settled
from models_service.lm.checkpoint import load_policy, load_tokenizer, save_policy
from models_service.lm.tiny import TEMPLATE, write_tiny_checkpoint
from models_service.models import ModelVersion
from models_service.services import adopt_base, ensure_base, register_prompted
from tests.trainer.conftest import Labels
from trainer.evaluation import model_checks
from trainer.rounds.preview import checked
from trainer.rounds.start import start_round

pytestmark = pytest.mark.django_db
Call = Callable[..., Any]
URL = "/api/v1/versions/checks/"


def report(*, ok: bool = True, **refuses: str) -> dict[str, Any]:
    """What a check of two things would have found."""
    findings = [
        {"name": "loads", "title": "Loads", "ok": True, "says": "It loads.", "measured": {}},
        {
            "name": "scores",
            "title": "Scores",
            "ok": ok,
            "says": "Choose another model.",
            "measured": {"apart": 0.5},
        },
    ]
    facts = {"context": 1024, "layout": "packed", "refuses": refuses}
    return {"model": "m", "family": "llama", "accepted": ok, "findings": findings, "facts": facts}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder that somebody brings: the tiny model, with an option in its chat template."""
    write_tiny_checkpoint(tmp_path / "mine", seed=5)
    policy, tokenizer = load_policy(tmp_path / "mine")
    tokenizer.chat_template = "{% if enable_thinking %}{{ 'Hm. ' }}{% endif %}" + TEMPLATE
    save_policy(policy, tokenizer, tmp_path / "mine")
    return tmp_path / "mine"


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Checks that were sent to the sampling queue; the broker itself is not asked."""
    names: list[str] = []
    monkeypatch.setattr(
        "trainer.tasks.check_model.apply_async", lambda args, **_: names.append(*args)
    )
    return names


@pytest.fixture
def post(rosa: User, client_of: Callable[[User], Client], queued: list[str]) -> Call:
    def start(body: dict[str, Any], url: str = URL, status: int = 201) -> dict[str, Any]:
        answer = client_of(rosa).post(url, body, content_type="application/json")
        assert answer.status_code == status, answer.content
        told: dict[str, Any] = answer.json()
        return told

    return start


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any]], list[Path]]:
    """`quick(report)`: from now on a check finds this at once; the folders it was asked about."""
    asked: list[Path] = []

    def finds(found: dict[str, Any]) -> list[Path]:
        def measured(folder: Path, *_: object) -> dict[str, Any]:
            asked.append(folder)
            return dict(found)

        monkeypatch.setattr(model_checks, "measured", measured)
        return asked

    return finds


def copies() -> list[Path]:
    return list((Path(settings.CHECKPOINT_DIR) / "base").glob(".*.new"))


def test_the_whole_check_is_told_as_it_goes_and_what_passes_is_added(
    model: Path, rosa: User, client_of: Call, post: Call, queued: list[str]
) -> None:
    told = post({"source": str(model), "options": {"enable_thinking": False}, "name": "mine"})
    assert queued == [told["id"]]
    client = client_of(rosa)
    assert client.get(told["url"]).json()["state"] == "waiting"
    model_checks.perform(told["id"])
    found = client.get(told["url"]).json()
    assert (found["state"], found["reason"]) == ("passed", "")
    assert found["findings"] == found["report"]["findings"]
    assert len(found["findings"]) > 8
    assert not ModelVersion.objects.exists()

    post({}, told["url"], 202)
    model_checks.perform(told["id"])
    model_checks.perform(told["id"])  # delivered twice
    version = ModelVersion.objects.get()
    assert client.get(told["url"]).json()["version"] == version.pk
    assert (version.name, version.check_report) == ("mine", found["report"] | {"model": "mine"})
    assert settled(load_tokenizer(version.folder))["options"] == {"enable_thinking": False}
    assert AuditEntry.objects.filter(act="version_added").count() == 1
    assert copies() == []


def test_a_refused_model_leaves_nothing(
    model: Path, rosa: User, client_of: Call, post: Call, quick: Call
) -> None:
    quick(report(ok=False))
    told = post({"source": str(model), "add": True})
    model_checks.perform(told["id"])
    found = client_of(rosa).get(told["url"]).json()
    assert (found["state"], found["reason"]) == ("refused", "Choose another model.")
    assert not ModelVersion.objects.exists()
    assert copies() == []


def test_what_cannot_be_checked_says_why(
    model: Path, rosa: User, client_of: Call, post: Call
) -> None:
    for body, words in (
        ({"source": "/nowhere"}, "There is no checkpoint folder /nowhere."),
        ({"source": str(model), "options": {"enable_thinkng": False}}, "knows no option enable_"),
    ):
        told = post(body)
        model_checks.perform(told["id"])
        found = client_of(rosa).get(told["url"]).json()
        assert found["state"] == "failed"
        assert words in found["reason"]


def test_a_version_that_is_there_keeps_its_report_and_so_do_those_of_its_weights(
    post: Call, quick: Call, queued: list[str]
) -> None:
    base = adopt_base("tiny")
    prompted = register_prompted(name="prompted", version=base, prefix="Briefly.")
    assert base.check_report == {}  # it ships with the product
    assert quick(report()) == []
    model_checks.perform(post({"version": base.pk})["id"])
    for version in (base, prompted):
        version.refresh_from_db()
        assert version.check_report == report() | {"model": base.name}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "source"),
        ({"source": "a/b", "version": 1}, "version"),
        ({"source": "a/b", "options": {"no name": 1}}, "options"),
        ({"source": "a/b", "options": "enable_thinking"}, "options"),
        ({"source": "a/b", "name": "taken"}, "name"),
    ],
)
def test_a_wrong_field_is_named(post: Call, body: dict[str, Any], field: str) -> None:
    ModelVersion.objects.create(name="taken", kind="base", checkpoint="taken")
    assert field in post(body, status=400)["errors"]


def test_nobody_else_reads_along(olga: User, ada: User, client_of: Call, post: Call) -> None:
    url = post({"source": "a/b"})["url"]
    assert client_of(olga).get(url).status_code == 404
    assert client_of(ada).get(url).status_code == 403
    assert client_of(ada).post(URL, {"source": "a/b"}).status_code == 403


def test_checks_go_to_the_sampling_worker() -> None:
    route = current_app.amqp.router.route({}, "trainer.tasks.check_model")
    assert route["queue"].name == "sampling"


def test_infinity_becomes_null(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from trainer.algorithms import check

    measures = check.Finding("scores", "Scores", False, "No.", {"apart": float("nan")})
    monkeypatch.setattr(
        check, "check", lambda *_, **__: check.Report("m", "llama", [measures], {"x": float("inf")})
    )
    found = model_checks.measured(model)
    assert found["findings"][0]["measured"] == {"apart": None}
    assert found["facts"] == {"x": None}


def test_a_round_says_what_was_found_of_its_start(labels: Labels) -> None:
    base = labels.policy
    assert checked(base) == {
        "version": base.pk,
        "state": "unchecked",
        "says": "not checked yet",
        "skipped": [],
    }
    ModelVersion.objects.update(check_report=report())
    base.refresh_from_db()
    child = ModelVersion.objects.create(name="sft", kind="sft", checkpoint="sft", parent=base)
    told = checked(child)
    assert told is not None
    assert told["state"] == "passed"
    assert told["says"] == "checked: 2 of 2 things work; reads 1024 tokens; rows: packed"


def test_no_round_starts_from_what_was_refused(labels: Labels) -> None:
    labels.enough()
    ModelVersion.objects.update(check_report=report(ok=False))
    with pytest.raises(Problem, match=r"the check\. Choose another model\.") as refused:
        start_round(preset="tiny")
    assert list(refused.value.errors or {}) == ["start"]
    told = checked(None)
    assert told is not None and told["state"] == "refused"


def test_prompts_that_the_template_refuses_are_counted_and_listed(
    labels: Labels, olga: User, client_of: Call
) -> None:
    user, system = {"role": "user", "content": "Hi"}, {"role": "system", "content": 'a "user", b'}
    answer = {"role": "assistant", "content": "Yes."}
    for turns in ([user], [system, user], [system, user, answer, user], [user, user],
                  [answer, user], [system, answer, user]):  # fmt: skip
        prompt = labels.prompt()
        prompt.messages = turns
        prompt.save()
    prompt.state = "withdrawn"
    prompt.save()
    refused = {
        "system": "its chat template refuses it: System role not supported",
        "user,user": "its chat template refuses it: Roles must alternate",
        "assistant first": "its chat template refuses it: Roles must alternate",
        "several turns": "",
    }
    ModelVersion.objects.update(check_report=report(**refused))
    labels.policy.refresh_from_db()
    told = checked(labels.policy)
    assert told is not None
    assert [one["says"] for one in told["skipped"]] == [
        "2 prompts will be skipped: the chat template refuses them (System role not supported).",
        "1 prompt will be skipped: the chat template refuses them (Roles must alternate).",
        "1 prompt will be skipped: the chat template refuses them (Roles must alternate).",
    ]
    client = client_of(olga)
    for one, count in zip(told["skipped"], (2, 1, 1), strict=True):
        page = client.get(one["url"])
        assert page.context["cl"].queryset.count() == count


def test_the_base_of_an_installation_is_checked_before_it_is_registered(model: Path) -> None:
    seen: list[bool] = []

    def refuses(folder: Path) -> dict[str, Any]:
        seen.append((folder / "config.json").exists())
        return report(ok=False)

    from models_service.lm.checkpoint import CheckpointError

    with pytest.raises(CheckpointError, match="Choose another model"):
        ensure_base(str(model), check=refuses)
    assert seen == [True]
    assert not ModelVersion.objects.exists()
    base = ensure_base(str(model), check=lambda _: report(), options={"enable_thinking": False})
    assert base.check_report["accepted"]
    assert settled(load_tokenizer(base.folder))["options"] == {"enable_thinking": False}


def test_the_clock_of_a_template_stands_from_the_day_of_take_up(model: Path) -> None:
    policy, tokenizer = load_policy(model)
    tokenizer.chat_template = "{{ strftime_now('%d %b %Y') }}" + TEMPLATE
    save_policy(policy, tokenizer, model)
    base = ensure_base(str(model), check=lambda _: report())
    kept = load_tokenizer(base.folder).chat_template
    assert "macro strftime_now" in kept


def test_a_reward_model_is_not_checked(post: Call) -> None:
    judge = ModelVersion.objects.create(name="judge", kind="reward", checkpoint="judge")
    assert "version" in post({"version": judge.pk}, status=400)["errors"]
