"""The remote engine against a real server over HTTP: what it asks, and all that can go wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from core.problems import Problem
from models_service.engines import engine_for
from models_service.engines import remote as remote_module
from models_service.engines.base import Answer, EngineError, Request
from models_service.models import EndpointKey, ModelVersion
from models_service.services import register_endpoint, register_prompted, replace_key

Remote = Callable[..., ModelVersion]
Seen = Callable[[], dict[str, Any]]


def ask(text: str = "Why is the sky blue?", **settings: Any) -> Request:
    values = {"k": 3, "max_new_tokens": 16, "seed": 40} | settings
    return Request(messages=[{"role": "user", "content": text}], **values)


def sample(version: ModelVersion, *requests: Request) -> list[list[Answer]]:
    return engine_for(version).sample(requests or [ask()])


def bodies(seen: Seen) -> list[dict[str, Any]]:
    return [row["body"] for row in seen()["requests"]]


# What it asks, and what it makes of the answer


def test_k_completions_come_from_one_call(remote: Remote, seen: Seen) -> None:
    [answers] = sample(remote())
    [body] = bodies(seen)
    assert body["n"] == 3
    assert body["max_tokens"] == 16
    assert body["temperature"] == body["top_p"] == 1
    assert body["messages"] == [{"role": "user", "content": "Why is the sky blue?"}]
    assert len({answer.text for answer in answers}) == 3


def test_an_answer_says_where_it_came_from(remote: Remote) -> None:
    [[answer]] = sample(remote(), ask(k=1))
    assert answer.text == "Answer 40/0 to Why is the sky blue?"
    assert answer.finish_reason == "stop"
    assert (answer.prompt_tokens, answer.completion_tokens) == (7, 8)
    assert answer.logprob == pytest.approx(-0.5 * 8)
    assert answer.engine == "openai 127.0.0.1 ok fp_1"


def test_the_same_seed_is_sent_again_for_the_same_text(remote: Remote) -> None:
    version = remote()
    assert [a.text for a in sample(version)[0]] == [a.text for a in sample(version)[0]]


def test_completions_get_one_text_with_the_prefix_first(remote: Remote, seen: Seen) -> None:
    [answers] = sample(remote(api="completions", prefix="Answer like a pirate."))
    row = seen()["requests"][0]
    assert row["path"] == "/v1/completions"
    assert row["body"]["prompt"] == (
        "Answer like a pirate.\n\n### User\nWhy is the sky blue?\n\n### Assistant\n"
    )
    assert row["body"]["stop"] == ["\n### User"]
    assert len(answers) == 3
    assert answers[0].logprob is not None


def test_a_prefix_is_the_system_message_of_a_chat(remote: Remote, seen: Seen) -> None:
    sample(register_prompted(name="pirate", version=remote(), prefix="Answer like a pirate."))
    [body] = bodies(seen)
    assert body["messages"][0] == {"role": "system", "content": "Answer like a pirate."}


def test_extra_fields_go_along(remote: Remote, seen: Seen) -> None:
    sample(remote(extra={"top_k": -1, "top_p": 0.9}))
    [body] = bodies(seen)
    assert (body["top_k"], body["top_p"]) == (-1, 0.9)


def test_a_server_that_gives_fewer_is_asked_one_by_one(remote: Remote, seen: Seen) -> None:
    [answers] = sample(remote("one_by_one"))
    assert [body.get("n") for body in bodies(seen)] == [3, None, None]
    assert len({answer.text for answer in answers}) == 3


def test_what_a_server_does_not_know_is_left_out(remote: Remote, seen: Seen) -> None:
    [answers] = sample(remote("plain_only"))
    assert len({answer.text for answer in answers}) == 3
    assert all(answer.logprob is None for answer in answers)


def test_requests_go_out_side_by_side_up_to_the_limit(remote: Remote, seen: Seen) -> None:
    answers = sample(remote("slow", concurrency=3), *[ask(f"Question {i}") for i in range(6)])
    assert seen()["most_in_flight"] == 3
    assert [group[0].text[-10:] for group in answers] == [f"Question {i}" for i in range(6)]


def test_text_comes_as_it_is_said(remote: Remote) -> None:
    heard: list[str] = []
    answer = engine_for(remote()).stream(ask(k=1), heard.append)
    assert heard[:2] == ["Answer", "Answer 40/0"]
    assert answer.text == heard[-1] == "Answer 40/0 to Why is the sky blue?"
    assert (answer.prompt_tokens, answer.completion_tokens) == (7, 8)


def test_a_server_that_does_not_stream_answers_at_once(remote: Remote) -> None:
    heard: list[str] = []
    answer = engine_for(remote("plain_only", logprobs=False)).stream(ask(k=1), heard.append)
    assert heard == [answer.text]


# The key


def test_a_stored_key_is_sent_and_lies_sealed(remote: Remote, seen: Seen) -> None:
    version = remote(key="sk-very-secret")
    sample(version)
    assert seen()["requests"][0]["headers"]["Authorization"] == "Bearer sk-very-secret"
    assert "very-secret" not in EndpointKey.objects.get().sealed
    assert "very-secret" not in str(version.endpoint)


def test_a_key_comes_from_a_named_variable(
    remote: Remote, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = remote(key_env="MODEL_KEY_HOUSE")
    with pytest.raises(EngineError, match="MODEL_KEY_HOUSE, which is not set"):
        sample(version)
    monkeypatch.setenv("MODEL_KEY_HOUSE", "sk-from-outside")
    sample(version)
    assert seen()["requests"][0]["headers"]["Authorization"] == "Bearer sk-from-outside"


def test_a_key_outlives_a_new_secret_key_among_the_fallbacks(remote: Remote, settings: Any) -> None:
    version = remote(key="sk-very-secret")
    old, settings.SECRET_KEY = settings.SECRET_KEY, "another"
    with pytest.raises(EngineError, match="another SECRET_KEY; enter it again"):
        sample(version)
    settings.SECRET_KEY_FALLBACKS = [old]
    assert sample(version)


def test_a_key_is_replaced(remote: Remote, seen: Seen) -> None:
    version = remote(key="first")
    replace_key(version=version, key="second")
    sample(version)
    assert seen()["requests"][0]["headers"]["Authorization"] == "Bearer second"


def test_a_server_that_repeats_the_key_does_not_bring_it_to_light(remote: Remote) -> None:
    with pytest.raises(EngineError) as caught:
        sample(remote("refusing", key="sk-very-secret"))
    assert "very-secret" not in str(caught.value)
    assert "•••" in str(caught.value)


# What goes wrong on the way


def test_a_busy_server_is_asked_again(remote: Remote, seen: Seen) -> None:
    [answers] = sample(remote("busy_twice"))
    assert len(answers) == 3
    assert len(bodies(seen)) == 3


def test_a_server_that_stays_down_is_given_up(remote: Remote, seen: Seen) -> None:
    with pytest.raises(EngineError, match=r"too busy or down; it answers 503: Overloaded\."):
        sample(remote("down"))
    assert len(bodies(seen)) == remote_module.ATTEMPTS


def test_nobody_waits_an_hour(remote: Remote, seen: Seen) -> None:
    with pytest.raises(EngineError, match="429: Quota"):
        sample(remote("busy_for_an_hour"))
    assert len(bodies(seen)) == 1


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("html", "answers with a web page; check that the base URL"),
        ("half", "only a part of its JSON"),
        ("cut_off", "broke off its answer"),
        ("huge", "more than 8 MiB"),
        ("nothing", "an answer without a completion"),
        ("locked", r"does not accept the key \(401\): Unknown key"),
        ("elsewhere", r"redirects \(307\), which is not followed"),
    ],
)
def test_a_broken_answer_is_explained(remote: Remote, fault: str, sentence: str) -> None:
    with pytest.raises(EngineError, match=sentence) as caught:
        sample(remote(fault))
    assert not caught.value.refused


@pytest.mark.parametrize("fault", ["slow", "dripping"])
def test_a_slow_answer_is_not_waited_for(remote: Remote, fault: str) -> None:
    with pytest.raises(EngineError, match="did not answer within 1 seconds"):
        sample(remote(fault, timeout_seconds=1))


def test_a_stream_that_breaks_off_is_no_answer(remote: Remote) -> None:
    with pytest.raises(EngineError, match="broke off in the middle"):
        engine_for(remote("breaks_off")).stream(ask(k=1), lambda text: None)


def test_nobody_listening_is_explained(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_module, "ATTEMPTS", 1)
    with pytest.raises(EngineError, match="cannot be reached"):
        sample(remote(base_url="http://127.0.0.1:9/v1"))


def test_text_that_no_database_keeps_is_mended(remote: Remote) -> None:
    [[answer]] = sample(remote("odd_text"), ask(k=1))
    assert answer.text == "half a pair �, NUL \0"  # the NUL is replaced where it is stored
    answer.text.encode()


def test_a_prompt_that_is_too_long_is_named(remote: Remote) -> None:
    with pytest.raises(EngineError, match="maximum context") as caught:
        sample(remote("too_long"), ask("short"), ask("very long"))
    assert list(caught.value.refused) == [1]


def test_a_server_that_refuses_everything_breaks_no_task(remote: Remote) -> None:
    with pytest.raises(EngineError, match="refuses the request") as caught:
        sample(remote("refusing"))
    assert not caught.value.refused


# Which endpoints may be registered


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("base_url", "ftp://example.org/v1"),
        ("base_url", "file:///etc/passwd"),
        ("base_url", "https://user:word@example.org/v1"),
        ("base_url", "https://[broken/v1"),
        ("base_url", "https://example.org/v1?x=1"),
        ("base_url", 7),
        ("model", ""),
        ("api", "telepathy"),
        ("key_env", "DATABASE_URL"),
        ("timeout_seconds", 0),
        ("concurrency", True),
        ("extra", {"messages": []}),
        ("extra", ["top_k"]),
        ("rename", ["max_tokens"]),
        ("rename", {"messages": "turns"}),
        ("rename", {"max_tokens": ""}),
        ("rename", {"max_tokens": "no spaces"}),
        ("rename", {"max_tokens": 7}),
        ("rename", {"max_tokens": "messages"}),
        ("rename", {"max_tokens": "limit", "n": "limit"}),
        ("omit", "temperature"),
        ("omit", ["model"]),
        ("omit", [["seed"]]),
        ("omit", ["max_tokens"]),
        ("thinking", ["<plan>"]),
        ("thinking", {"<plan>": ""}),
        ("raw_text", "yes"),
        ("colour", "blue"),
    ],
)
def test_a_wrong_setting_is_named(db: None, field: str, value: object) -> None:
    endpoint = {"base_url": "https://example.org/v1", "model": "m", field: value}
    with pytest.raises(Problem) as caught:
        register_endpoint(name="wrong", kind="policy", endpoint=endpoint)
    assert list(caught.value.errors or {}) == [f"endpoint.{field}"]
    assert not ModelVersion.objects.exists()


def test_a_key_that_no_header_holds_is_refused(db: None) -> None:
    endpoint = {"base_url": "https://example.org/v1", "model": "m"}
    with pytest.raises(Problem, match="no spaces"):
        register_endpoint(name="x", kind="policy", endpoint=endpoint, key="two\r\nlines: here")
