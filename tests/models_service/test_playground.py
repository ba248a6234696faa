"""The playground's API and what the worker makes of a trial."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.test import Client

from accounts.models import User
from models_service import playground, reward_scoring
from models_service.engines import engine_for
from models_service.engines.base import Request
from models_service.lm.checkpoint import load_policy, save_reward
from models_service.lm.heads import ScalarModel
from models_service.lm.reading import Said
from models_service.models import Kind, ModelVersion, Promotion
from models_service.services import ensure_base, promote, register_prompted, register_version

pytestmark = pytest.mark.django_db
Call = Callable[..., Any]
PROMPT = [{"role": "user", "content": "Why is the sky blue?"}]


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Trials that were sent to the sampling queue; the broker itself is not asked."""
    names: list[str] = []
    monkeypatch.setattr(
        "models_service.tasks.play.apply_async", lambda args, **_: names.append(*args)
    )
    return names


@pytest.fixture
def try_out(client_of: Callable[[User], Client], queued: list[str]) -> Call:
    """`try_out(rosa, [version])`: the response to starting a trial."""

    def start(user: User, asked: list[ModelVersion], **changes: Any) -> Any:
        body = {
            "messages": PROMPT,
            "versions": [version.pk for version in asked],
            "max_new_tokens": 8,
            "seed": 3,
        }
        client = client_of(user)
        return client.post("/api/v1/playground/", body | changes, content_type="application/json")

    return start


@pytest.fixture
def pair() -> list[ModelVersion]:
    """The tiny model, plain and under a prefix prompt."""
    base = ensure_base("tiny")
    return [base, register_prompted(name="prompted", version=base, prefix="Answer briefly.")]


def finished(client: Client, url: str) -> list[dict[str, Any]]:
    playground.perform(url.rstrip("/").rpartition("/")[2])
    return client.get(url).json()


def test_versions_answer_and_can_be_read_along(
    rosa: User, client_of: Call, try_out: Call, pair: list[ModelVersion], queued: list[str]
) -> None:
    started = try_out(rosa, pair)
    assert started.status_code == 201
    assert queued == [started.json()["id"]]
    client, url = client_of(rosa), started.json()["url"]
    assert [part["state"] for part in client.get(url).json()] == ["waiting", "waiting"]
    parts = finished(client, url)
    assert [part["version"] for part in parts] == [version.pk for version in pair]
    for part in parts:
        assert part["state"] == "finished"
        assert 1 <= part["completion_tokens"] <= 8
        assert part["logprob"] < 0
        assert part["engine"].startswith("torch ")
        assert part["reason"] == "No reward model is promoted yet."


def test_a_trial_says_what_the_queue_would_say(
    rosa: User, client_of: Call, try_out: Call, pair: list[ModelVersion]
) -> None:
    parts = finished(client_of(rosa), try_out(rosa, pair).json()["url"])
    [[answer]] = engine_for(pair[1]).sample([Request(PROMPT, 1, 8, 1.0, 3)])
    assert parts[1]["text"] == answer.text
    assert parts[1]["logprob"] == pytest.approx(answer.logprob)


def test_the_same_version_settings_and_seed_give_the_same_text_again(
    rosa: User, client_of: Call, try_out: Call, pair: list[ModelVersion]
) -> None:
    texts = [
        [part["text"] for part in finished(client_of(rosa), try_out(rosa, pair).json()["url"])]
        for _ in range(2)
    ]
    assert texts[0] == texts[1]
    other = finished(client_of(rosa), try_out(rosa, pair, seed=4).json()["url"])
    assert other[0]["text"] != texts[0][0]


def test_completions_are_scored_by_the_promoted_reward_model(
    rosa: User, client_of: Call, try_out: Call, pair: list[ModelVersion], settings: Any
) -> None:
    folder = Path(settings.CHECKPOINT_DIR) / "judge"
    model, tokenizer = load_policy(pair[0].folder)
    save_reward(ScalarModel.from_policy(model), tokenizer, folder)
    judge = register_version(name="judge", kind=Kind.REWARD, folder=folder)
    promote(role=Promotion.Role.REWARD, version=judge)
    first, second = finished(client_of(rosa), try_out(rosa, pair).json()["url"])
    for part in (first, second):
        assert part["finish_reason"] == "length"
        cut, false = (
            reward_scoring.score(judge, Said(PROMPT, part["text"], f)) for f in (False, True)
        )
        assert part["score"] == pytest.approx(cut, abs=1e-5) != pytest.approx(false, abs=1e-3)


def test_a_version_that_fails_says_why_beside_one_that_does_not(
    rosa: User, client_of: Call, try_out: Call, pair: list[ModelVersion], remote: Call
) -> None:
    gone = ModelVersion.objects.create(name="gone", kind="base", checkpoint="gone")
    keyless = remote("locked", key_env="MODEL_KEY_MISSING")
    trial = try_out(rosa, [gone, keyless, pair[0]])
    parts = finished(client_of(rosa), trial.json()["url"])
    assert [part["state"] for part in parts] == ["failed", "failed", "finished"]
    assert "gone cannot be loaded" in parts[0]["reason"]
    assert "MODEL_KEY_MISSING, which is not set" in parts[1]["reason"]


def test_a_remote_version_speaks_too(
    rosa: User, client_of: Call, try_out: Call, remote: Call
) -> None:
    [part] = finished(client_of(rosa), try_out(rosa, [remote()]).json()["url"])
    assert part["text"] == "Answer 3/0 to Why is the sky blue?"
    assert part["engine"] == "openai 127.0.0.1"


def test_text_is_told_while_it_is_written(
    rosa: User, try_out: Call, remote: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(playground, "_TELL_SECONDS", 0)
    told: list[tuple[str, str]] = []
    monkeypatch.setattr(
        playground, "_tell", lambda name, part: told.append((part.state, part.text))
    )
    playground.perform(try_out(rosa, [remote()]).json()["id"])
    states = [state for state, _ in told]
    assert states == sorted(states, reverse=True)  # writing …, finished
    assert states[-1] == "finished"
    assert ("writing", "Answer 3/0") in told


def test_nobody_else_reads_along(
    rosa: User, olga: User, ada: User, client_of: Call, try_out: Call, pair: list[ModelVersion]
) -> None:
    url = try_out(rosa, pair).json()["url"]
    assert client_of(olga).get(url).status_code == 404
    assert client_of(ada).get(url).status_code == 403
    assert try_out(ada, pair).status_code == 403


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"versions": []}, "versions"),
        ({"versions": [0]}, "versions"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "assistant", "content": "Hi"}]}, "messages"),
        ({"max_new_tokens": 100_000}, "max_new_tokens"),
        ({"temperature": -1}, "temperature"),
        ({"seed": -1}, "seed"),
    ],
)
def test_a_wrong_field_is_named(
    rosa: User, try_out: Call, pair: list[ModelVersion], changes: dict[str, Any], field: str
) -> None:
    response = try_out(rosa, pair, **changes)
    assert response.status_code == 400
    assert field in str(response.json()["errors"])


def test_a_reward_model_cannot_be_asked(rosa: User, try_out: Call) -> None:
    judge = ModelVersion.objects.create(name="judge", kind="reward", checkpoint="judge")
    assert try_out(rosa, [judge]).status_code == 400


def test_a_forgotten_trial_is_left_alone() -> None:
    playground.perform("00000000-0000-0000-0000-000000000000")


def test_trials_go_to_the_sampling_worker() -> None:
    route = current_app.amqp.router.route({}, "models_service.tasks.play")
    assert route["queue"].name == "sampling"
