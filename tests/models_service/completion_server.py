"""A small OpenAI-compatible server for the tests, over real HTTP, with every fault on demand.

Run as a process: `python completion_server.py`; it prints its port. The model's name is the fault
("ok" has none), so that a test says what goes wrong where it asks. `GET /seen` returns the bodies
and headers of the requests so far, and forgets them.
"""

from __future__ import annotations

import json
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any

SEEN: list[dict[str, Any]] = []
LOCK = Lock()
IN_FLIGHT = {"now": 0, "most": 0}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        with LOCK:
            body = json.dumps({"requests": SEEN, "most_in_flight": IN_FLIGHT["most"]}).encode()
            SEEN.clear()
            IN_FLIGHT["most"] = 0
        self.reply(200, body)

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        body = json.loads(self.rfile.read(length))
        with LOCK:
            earlier = sum(row["body"]["model"] == body["model"] for row in SEEN)
            SEEN.append({"path": self.path, "headers": dict(self.headers), "body": body})
            IN_FLIGHT["now"] += 1
            IN_FLIGHT["most"] = max(IN_FLIGHT["most"], IN_FLIGHT["now"])
        try:
            self.answer(body, earlier)
        except BrokenPipeError:
            self.close_connection = True
        finally:
            with LOCK:
                IN_FLIGHT["now"] -= 1

    def answer(self, body: dict[str, Any], earlier: int) -> None:
        fault = getattr(self, body["model"].replace("-", "_"), None)
        if fault is not None:
            fault(body, earlier)
        elif body.get("stream"):
            self.events(body)
        else:
            self.good(body)

    # Faults, by the model's name

    def busy_twice(self, body: dict[str, Any], earlier: int) -> None:
        if earlier < 2:
            return self.problem(429, "Slow down.", {"Retry-After": "0"})
        return self.good(body)

    def busy_for_an_hour(self, body: dict[str, Any], earlier: int) -> None:
        self.problem(429, "Quota.", {"Retry-After": "3600"})

    def down(self, body: dict[str, Any], earlier: int) -> None:
        self.problem(503, "Overloaded.", {"Retry-After": "0"})

    def html(self, body: dict[str, Any], earlier: int) -> None:
        self.reply(200, b"<!doctype html><title>Sign in</title>", {"Content-Type": "text/html"})

    def half(self, body: dict[str, Any], earlier: int) -> None:
        self.reply(200, json.dumps(reply_to(body)).encode()[:-30])

    def cut_off(self, body: dict[str, Any], earlier: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b'{"choices": [')
        self.close_connection = True

    def slow(self, body: dict[str, Any], earlier: int) -> None:
        time.sleep(3)
        self.good(body)

    def dripping(self, body: dict[str, Any], earlier: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        for _ in range(30):
            self.wfile.write(b" ")
            self.wfile.flush()
            time.sleep(0.1)

    def huge(self, body: dict[str, Any], earlier: int) -> None:
        self.reply(200, json.dumps(reply_to(body, text="x" * 9 * 2**20)).encode())

    def nothing(self, body: dict[str, Any], earlier: int) -> None:
        self.reply(200, json.dumps({"choices": []}).encode())

    def one_by_one(self, body: dict[str, Any], earlier: int) -> None:
        self.reply(200, json.dumps(reply_to({**body, "n": 1})).encode())

    def plain_only(self, body: dict[str, Any], earlier: int) -> None:
        if {"n", "logprobs", "seed", "stream_options"} & body.keys():
            return self.problem(400, "Unknown parameter.")
        return self.good(body)

    def too_long(self, body: dict[str, Any], earlier: int) -> None:
        if "long" in asked(body):
            return self.problem(400, "This model's maximum context length is 8 tokens.")
        return self.good(body)

    def refusing(self, body: dict[str, Any], earlier: int) -> None:
        self.problem(400, f"No. You sent {self.headers['Authorization']}")

    def locked(self, body: dict[str, Any], earlier: int) -> None:
        self.problem(401, "Unknown key.")

    def elsewhere(self, body: dict[str, Any], earlier: int) -> None:
        self.reply(307, b"", {"Location": "http://169.254.169.254/latest/meta-data/"})

    def odd_text(self, body: dict[str, Any], earlier: int) -> None:
        self.reply(200, json.dumps(reply_to(body, text="half a pair \ud83d, NUL \0")).encode())

    def slowly(self, body: dict[str, Any], earlier: int) -> None:
        self.events(body, pause=0.5)

    def breaks_off(self, body: dict[str, Any], earlier: int) -> None:
        self.events(body, finish=False)

    # What real servers do that the protocol does not say

    def as_told(self, body: dict[str, Any], earlier: int) -> None:
        """Answers with the choice that the prompt spells out as JSON, streamed in small pieces."""
        try:
            told = json.loads(asked(body))
        except ValueError:
            return self.good(body)
        if body.get("stream"):
            return self.events_of(pieces(told))
        return self.choices_of(body, [told] * body.get("n", 1))

    def drifts_off(self, body: dict[str, Any], earlier: int) -> None:
        """The first of all its answers is nothing but thinking."""
        thinking = {"message": {"content": None, "reasoning": "Hm."}, "finish_reason": "length"}
        told = [
            {"message": {"content": text_for(body, place)}, "finish_reason": "stop"}
            for place in range(body.get("n", 1))
        ]
        self.choices_of(body, told if earlier else [thinking, *told[1:]])

    def new_limit(self, body: dict[str, Any], earlier: int) -> None:
        if "max_tokens" in body:
            words = "Unsupported: 'max_tokens'. Use 'max_completion_tokens' instead."
            return self.refuse(400, {"error": {"message": words, "param": "max_tokens"}})
        return self.good(body)

    def runs_in_circles(self, body: dict[str, Any], earlier: int) -> None:
        """Whatever limit it is given, it wants the other one."""
        old, new = "max_tokens", "max_completion_tokens"
        if new in body:
            old, new = new, old
        words = f"Unsupported: '{old}'. Use '{new}' instead."
        self.refuse(400, {"error": {"message": words, "param": old}})

    def cold(self, body: dict[str, Any], earlier: int) -> None:
        if "temperature" in body:
            words = "This model has its own temperature."
            return self.refuse(400, {"error": {"message": words, "param": "temperature"}})
        return self.good(body)

    def names_fields(self, body: dict[str, Any], earlier: int) -> None:
        """As FastAPI does, one extra field after the other."""
        for name in ("seed", "logprobs"):
            if name in body:
                problem = {"loc": ["body", name], "msg": "Extra inputs are not permitted"}
                return self.refuse(422, {"detail": [problem]})
        return self.good(body)

    def no_system(self, body: dict[str, Any], earlier: int) -> None:
        if any(turn["role"] == "system" for turn in body["messages"]):
            return self.problem(400, "System role not supported")
        return self.good(body)

    def small(self, body: dict[str, Any], earlier: int) -> None:
        words = "This model's maximum context length is 8 tokens. You requested 16 in the answer."
        self.problem(400, words)

    def wakes_up(self, body: dict[str, Any], earlier: int) -> None:
        if earlier < 2:
            return self.problem(400, "The model is being loaded.")
        return self.good(body)

    def runs_dry(self, body: dict[str, Any], earlier: int) -> None:
        if earlier < 2:
            return self.good(body)
        return self.problem(400, "Your account has no credits left.")

    def ill_at(self, body: dict[str, Any], earlier: int) -> None:
        if "ill" in asked(body):
            return self.problem(500, "Tensor of the wrong shape.", {"Retry-After": "0"})
        return self.good(body)

    def busy_until_tomorrow(self, body: dict[str, Any], earlier: int) -> None:
        tomorrow = formatdate(time.time() + 86_400, usegmt=True)
        self.problem(429, "Quota.", {"Retry-After": tomorrow})

    def unknown(self, body: dict[str, Any], earlier: int) -> None:
        error = {"message": "The model does not exist.", "code": "model_not_found"}
        self.refuse(404, {"error": error})

    # Answers

    def choices_of(self, body: dict[str, Any], told: list[dict[str, Any]]) -> None:
        numbered = [{"index": place, **choice} for place, choice in enumerate(told)]
        reply = {"model": body["model"], "choices": numbered, "usage": None}
        self.reply(200, json.dumps(reply).encode())

    def events_of(self, parts: list[dict[str, Any]]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for part in parts:
            self.event({"choices": [{"index": 0, **part}]})
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def refuse(self, status: int, complaint: dict[str, Any]) -> None:
        self.reply(status, json.dumps(complaint).encode())

    def good(self, body: dict[str, Any]) -> None:
        self.reply(200, json.dumps(reply_to(body)).encode())

    def events(self, body: dict[str, Any], *, finish: bool = True, pause: float = 0.02) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        words = text_for(body, 0).split(" ")
        for place, word in enumerate(words):
            delta = {"content": word if place == 0 else f" {word}"}
            self.event({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
            time.sleep(pause)
        if finish:
            self.event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
            self.event({"choices": [], "usage": usage(len(words))})
            self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def event(self, value: dict[str, Any]) -> None:
        self.wfile.write(b"data: " + json.dumps(value).encode() + b"\n\n")
        self.wfile.flush()

    def problem(self, status: int, words: str, headers: dict[str, str] | None = None) -> None:
        self.reply(status, json.dumps({"error": {"message": words}}).encode(), headers)

    def reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        shown = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        for name, value in {**shown, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def pieces(told: dict[str, Any]) -> list[dict[str, Any]]:
    """A whole choice as the parts of a stream, three characters of its text a part."""
    message = dict(told["message"])
    content = message.pop("content", None)
    words = content if isinstance(content, list) else [content]
    if isinstance(content, str):
        words = [content[at : at + 3] for at in range(0, len(content), 3)] or [""]
    deltas = [message] if message else []
    deltas += [{"content": [w] if isinstance(w, dict) else w} for w in words]
    parts = [{"delta": delta, "finish_reason": None} for delta in deltas]
    return [*parts, {"delta": {}, "finish_reason": told["finish_reason"]}]


def asked(body: dict[str, Any]) -> str:
    """The last thing the user said."""
    return str(body["messages"][-1]["content"] if "messages" in body else body["prompt"])


def text_for(body: dict[str, Any], place: int) -> str:
    """The same seed and place, the same words."""
    return f"Answer {body.get('seed', time.monotonic_ns())}/{place} to {asked(body)[-40:]}"


def reply_to(body: dict[str, Any], *, text: str | None = None) -> dict[str, Any]:
    """A whole answer of either protocol, with log-probabilities where they were asked for."""
    chat = "messages" in body
    choices = []
    for place in range(body.get("n", 1)):
        said = text_for(body, place) if text is None else text
        choice: dict[str, Any] = {"index": place, "finish_reason": "stop"}
        choice |= {"message": {"role": "assistant", "content": said}} if chat else {"text": said}
        if "logprobs" in body:
            tokens = [{"token": word, "logprob": -0.5} for word in said[:100].split(" ")]
            numbers = [token["logprob"] for token in tokens]
            choice["logprobs"] = {"content": tokens} if chat else {"token_logprobs": numbers}
        choices.append(choice)
    tokens_said = sum(len(text_for(body, place).split(" ")) for place in range(len(choices)))
    return {
        "model": body["model"],
        "system_fingerprint": "fp_1",
        "choices": choices,
        "usage": usage(tokens_said),
    }


def usage(completion_tokens: int) -> dict[str, int]:
    return {"prompt_tokens": 7, "completion_tokens": completion_tokens}


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()
