"""What real servers do that the protocol does not say, through the engine: sampled and streamed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from models_service.engines import engine_for
from models_service.engines import remote as remote_module
from models_service.engines.base import Answer, EngineError, Request
from models_service.engines.marks import spoken
from models_service.models import ModelVersion
from models_service.services import register_prompted

Remote = Callable[..., ModelVersion]
Seen = Callable[[], dict[str, Any]]

HARMONY = (
    "<|channel|>analysis<|message|>The user wants a line.<|end|>"
    "<|start|>assistant<|channel|>final<|message|>The sea is wide.<|return|>"
)
REFUSED = "refuses to answer: I cannot help with that."


def ask(text: str = "Why is the sky blue?", **settings: Any) -> Request:
    values = {"k": 2, "max_new_tokens": 16, "seed": 40} | settings
    return Request(messages=[{"role": "user", "content": text}], **values)


def told(finish: str | None = "stop", **message: Any) -> Request:
    """A request that `as_told` answers with this message."""
    return ask(json.dumps({"message": message, "finish_reason": finish}))


def sample(version: ModelVersion, *requests: Request) -> list[list[Answer]]:
    return engine_for(version).sample(requests or [ask()])


def refusal_of(version: ModelVersion, *requests: Request) -> EngineError:
    with pytest.raises(EngineError) as caught:
        sample(version, *requests)
    return caught.value


def bodies(seen: Seen) -> list[dict[str, Any]]:
    return [row["body"] for row in seen()["requests"]]


# What an answer is


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ("The sea is wide.", "The sea is wide."),
        ("", ""),
        (
            [{"type": "text", "text": "Blue "}, {"type": "text", "text": "and deep."}],
            "Blue and deep.",
        ),
        ([{"type": "image_url", "image_url": {}}, {"type": "text", "text": "Blue."}], "Blue."),
        (["Blue ", "and deep."], "Blue and deep."),
        ([{"type": "thinking", "thinking": []}, {"type": "text", "text": "Blue."}], "Blue."),
        ("<think>\nA line is wanted.\n</think>\n\nThe sea is wide.", "The sea is wide."),
        ("A line is wanted.\n</think>\n\nThe sea is wide.", "The sea is wide."),
        ("<think></think>The sea is wide.", "The sea is wide."),
        ("<thinking>Hm.</thinking> The sea is wide.", "The sea is wide."),
        ("<reasoning>Hm.</reasoning>\nThe sea is wide.", "The sea is wide."),
        ("[THINK]Hm.[/THINK]The sea is wide.", "The sea is wide."),
        ("<think>One.</think>\nThe sea\n<think>Two.</think>\nis wide.", "The sea\nis wide."),
        ("<think>Of `</think>` they ask.</think>The sea is wide.", "The sea is wide."),
        (HARMONY, "The sea is wide."),
        ("Write `</think>` after the thinking.", "Write `</think>` after the thinking."),
        ("Gulls.<|im_end|>", "Gulls."),
        ("Gulls.\n<|eot_id|><|end_of_text|>\n", "Gulls."),
        ("Gulls.</s>", "Gulls."),
        ("Gulls.<end_of_turn>", "Gulls."),
        ("Gulls.<｜end▁of▁sentence｜>", "Gulls."),
        ("<b>Gulls</b>", "<b>Gulls</b>"),
        ("if a <| b", "if a <| b"),
        ("<|im_end|> ends a turn.", "<|im_end|> ends a turn."),
        ("  Two lines.\n\n", "  Two lines.\n\n"),
    ],
)
def test_labelers_see_the_answer_alone(remote: Remote, sent: object, text: str) -> None:
    version, request = remote("as_told"), told(content=sent)
    [[first, second]] = sample(version, request)
    heard: list[str] = []
    streamed = engine_for(version).stream(request, heard.append)
    assert first.text == second.text == streamed.text == text
    assert {answer.finish_reason for answer in (first, second, streamed)} == {"stop"}


@pytest.mark.parametrize(
    ("finish", "message", "sentence", "final"),
    [
        (
            "length",
            {"content": None, "reasoning_content": "Let me think"},
            "limit on tokens",
            False,
        ),
        ("length", {"content": "", "reasoning": "Let me think"}, "limit on tokens", False),
        ("length", {"content": ""}, "limit on tokens", False),
        ("length", {"content": "<think>\nLet me think"}, "limit on tokens", False),
        ("stop", {"content": "<think>Done.</think>\n"}, "its thinking, but no answer", False),
        ("stop", {"content": [{"type": "thinking", "thinking": []}]}, "wrote its thinking", False),
        ("tool_calls", {"content": None, "tool_calls": [{}]}, "an answer without text", False),
        ("stop", {"content": [{"type": "image_url"}]}, "an answer without text", False),
        ("error", {"content": "The sea"}, "broke off its answer with an error", False),
        ("stop", {"content": None, "refusal": "I cannot help with that."}, REFUSED, True),
        (
            "stop",
            {"content": [{"type": "refusal", "refusal": "I cannot help with that."}]},
            REFUSED,
            True,
        ),
        ("content_filter", {"content": None}, "content filter", True),
    ],
)
def test_a_reply_without_an_answer_is_never_an_empty_one(
    remote: Remote, finish: str, message: dict[str, Any], sentence: str, final: bool
) -> None:
    version, request = remote("as_told"), told(finish, **message)
    with pytest.raises(EngineError, match=sentence):
        engine_for(version).stream(request, lambda text: None)
    error = refusal_of(version, ask("Well?"), request)
    reasons = error.refused if final else error.waiting
    assert list(reasons) == [1]
    assert sentence in reasons[1]
    assert len(error.answers[0]) == 2


@pytest.mark.parametrize(
    ("said", "text", "finish"),
    [
        ("eos_token", "Tide.", "stop"),
        ("end_turn", "Tide.", "stop"),
        ("stop_sequence", "Tide.", "stop"),
        ("STOP", "Tide.", "stop"),
        ("MAX_TOKENS", "Tide", "length"),
        ("model_length", "Tide", "length"),
        ("length", "<think>Hm.</think>The tide", "length"),
        ("length", "Tide.<|im_end|>", "stop"),
        (None, "Tide.<|im_end|>", "stop"),
        (None, "Tide.", "other"),
        ("SAFETY", "Ti", "content_filter"),
        ("surprise", "Tide.", "other"),
    ],
)
def test_why_an_answer_ended_is_told_in_one_language(
    remote: Remote, said: str | None, text: str, finish: str
) -> None:
    version, request = remote("as_told"), told(said, content=text)
    [[first, _]] = sample(version, request)
    assert first.finish_reason == finish
    assert engine_for(version).stream(request, lambda text: None).finish_reason == finish


def test_a_servers_own_marks_of_thinking_are_a_setting(remote: Remote) -> None:
    version = remote("as_told", thinking={"analysis": "assistantfinal"})
    [[answer, _]] = sample(version, told(content="analysisThey ask.assistantfinalBlue."))
    assert answer.text == "Blue."


def test_text_stays_as_it_came_where_that_is_set(remote: Remote) -> None:
    text = "<think>Hm.</think>Blue.<|im_end|>"
    [[answer, _]] = sample(remote("as_told", raw_text=True), told(content=text))
    assert answer.text == text


def test_no_log_probability_is_said_of_an_answer_that_was_thought_about(remote: Remote) -> None:
    message = {"content": "Blue.", "reasoning_content": "Hm."}
    choice = {"message": message, "logprobs": {"content": [{"logprob": -1.0}]}}
    request = ask(json.dumps(choice | {"finish_reason": "stop"}))
    [[answer, _]] = sample(remote("as_told"), request)
    assert (answer.text, answer.logprob) == ("Blue.", None)


@pytest.mark.parametrize("sent", ["<think>They ask.</think>\nThe sea is wide.<|im_end|>", HARMONY])
def test_half_a_mark_is_not_shown_while_it_comes(remote: Remote, sent: str) -> None:
    heard: list[str] = []
    engine_for(remote("as_told")).stream(told(content=sent), heard.append)
    assert all("The sea is wide.".startswith(said) for said in heard)
    assert heard[-1] == "The sea is wide."


def test_what_was_only_thought_is_drawn_again(remote: Remote, seen: Seen) -> None:
    [answers] = sample(remote("drifts_off"), ask(k=3))
    assert len({answer.text for answer in answers}) == 3
    assert [body["seed"] for body in bodies(seen)] == [40, 43]


def test_long_texts_are_read_quickly() -> None:
    text = "\n" * 200_000 + "<think>\n" * 20_000
    assert spoken(text, {}).text == ""


# What a server takes


def test_a_limit_by_another_name_is_learned_once(remote: Remote, seen: Seen) -> None:
    engine = engine_for(remote("new_limit"))
    assert engine.sample([ask()])
    assert engine.sample([ask()])
    limits = [("max_tokens" in b, b.get("max_completion_tokens")) for b in bodies(seen)]
    assert limits == [(True, None), (False, 16), (False, 16)]
    assert engine.stream(ask(k=1), lambda text: None).text


def test_a_server_that_contradicts_itself_is_not_followed_for_ever(remote: Remote) -> None:
    assert "Use 'max_tokens' instead" in str(refusal_of(remote("runs_in_circles")))


def test_fields_are_renamed_and_left_out_as_the_endpoint_says(remote: Remote, seen: Seen) -> None:
    rename = {"max_tokens": "max_completion_tokens", "seed": "random_seed"}
    [answers] = sample(remote(rename=rename, omit=["temperature", "n"]))
    assert len(answers) == 2
    first, second = bodies(seen)
    assert (first["max_completion_tokens"], first["random_seed"]) == (16, 40)
    assert second["random_seed"] == 41
    assert not {"max_tokens", "seed", "temperature", "n"} & first.keys()


def test_a_temperature_is_never_left_out_unasked(remote: Remote, seen: Seen) -> None:
    error = refusal_of(remote("cold"))
    assert "This model has its own temperature. The endpoint's omit leaves a field out" in str(
        error
    )
    assert not error.refused
    assert all("temperature" in body for body in bodies(seen))


def test_a_server_without_a_temperature_answers_without(remote: Remote) -> None:
    assert sample(remote("cold", omit=["temperature"]))


def test_exactly_the_fields_that_are_named_are_left_out(remote: Remote, seen: Seen) -> None:
    assert sample(remote("names_fields"))
    optional = [{"seed", "logprobs", "n"} & body.keys() for body in bodies(seen)]
    assert optional == [{"seed", "logprobs", "n"}, {"logprobs", "n"}, {"n"}]


def test_a_prefix_goes_into_the_first_user_turn_where_there_is_no_system_role(
    remote: Remote, seen: Seen
) -> None:
    pirate = register_prompted(name="pirate", version=remote("no_system"), prefix="Be a pirate.")
    assert sample(pirate)
    [_, body] = bodies(seen)
    [turn] = body["messages"]
    assert turn == {"role": "user", "content": "Be a pirate.\n\nWhy is the sky blue?"}
    assert engine_for(pirate).stream(ask(k=1), lambda text: None).text


@pytest.mark.parametrize("prefix", ["", "Be a pirate."])
def test_a_prompts_own_system_turn_is_not_moved(remote: Remote, prefix: str) -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]
    request = Request(messages=messages, k=2, max_new_tokens=16)
    error = refusal_of(remote("no_system", prefix=prefix), ask(), request)
    assert "System role not supported" in error.refused[1]
    assert len(error.answers[0]) == 2


# Whose fault it is


def test_a_limit_that_no_prompt_fits_breaks_none(remote: Remote) -> None:
    error = refusal_of(remote("small"), ask("One"), ask("Two"))
    assert not error.refused
    assert [*error.waiting] == [0, 1]
    assert "maximum context length is 8" in error.waiting[0]


def test_a_prompt_that_is_too_long_is_to_blame_alone(remote: Remote) -> None:
    error = refusal_of(remote("too_long"), ask("very long"))
    assert "maximum context length" in error.refused[0]


def test_a_server_that_wakes_up_is_asked_again(remote: Remote) -> None:
    groups = sample(remote("wakes_up", concurrency=1), ask("One"), ask("Two"))
    assert [group[0].text[-3:] for group in groups] == ["One", "Two"]


def test_credits_that_run_out_are_no_prompts_fault(remote: Remote) -> None:
    error = refusal_of(remote("runs_dry", concurrency=1), *[ask(f"No. {i}") for i in range(4)])
    assert not error.refused
    assert [*error.answers] == [0, 1]
    assert "no credits left" in error.waiting[3]


def test_a_prompt_that_the_server_fails_at_holds_up_no_other(remote: Remote) -> None:
    error = refusal_of(remote("ill_at", concurrency=1), ask("ill"), ask("well"))
    assert "Tensor of the wrong shape" in error.waiting[0]
    assert not error.refused
    assert len(error.answers[1]) == 2


def test_a_model_that_the_server_does_not_know_is_named(remote: Remote) -> None:
    error = refusal_of(remote("unknown"), ask("One"), ask("Two"))
    assert "404: The model does not exist. Check the base URL" in str(error)
    assert "name there, unknown." in str(error)
    assert not error.refused


def test_a_date_says_how_long_a_server_is_busy(remote: Remote, seen: Seen) -> None:
    assert "429: Quota" in str(refusal_of(remote("busy_until_tomorrow")))
    assert len(bodies(seen)) == 1 < remote_module.ATTEMPTS
