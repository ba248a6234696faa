"""What a remote endpoint is: where, which model, how it is asked. Checked before it is stored."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

# Only variables of this form can be named as a key: whoever names one also names the server that
# it is sent to, and the environment holds other secrets.
KEY_VARIABLE = re.compile(r"MODEL_KEY_[A-Z0-9_]{1,80}")

# Fields of a request that some servers do not know, or know by another name.
SETTABLE = frozenset(
    {"max_tokens", "temperature", "top_p", "seed", "n", "logprobs", "stop", "stream_options"}
)
# Set by every request itself.
OWN_FIELDS = SETTABLE - {"top_p", "stop", "stream_options"} | {
    "model",
    "messages",
    "prompt",
    "stream",
}
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,59}")


class EndpointError(ValueError):
    """A setting of an endpoint is wrong; `name` says which."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} {reason}")
        self.name = name
        self.reason = reason


@dataclass(frozen=True)
class Endpoint:
    """An OpenAI-compatible server. Raises EndpointError on a wrong value.

    Args:
        base_url: Up to and including the version, `https://api.example.org/v1`.
        model: The model's name there.
        api: `chat` sends messages; `completions` sends one text and suits base models.
        key_env: Name of the environment variable that holds the key, `MODEL_KEY_...`; empty for
            a server without one, or with one stored sealed.
        timeout_seconds: For one whole answer.
        concurrency: Requests on their way at once, per worker.
        logprobs: Whether to ask for the tokens' log-probabilities.
        extra: Further fields of every request, such as `{"top_k": -1}`.
        rename: What the server calls a field, `{"max_tokens": "max_completion_tokens"}`.
        omit: Fields that are left out, as `["temperature"]` where a server refuses any.
        thinking: Marks around thinking beside the known ones, `{"<plan>": "</plan>"}`.
        raw_text: Whether text stays as the server sent it, with thinking and end markers.
    """

    base_url: str
    model: str
    api: Literal["chat", "completions"] = "chat"
    key_env: str = ""
    timeout_seconds: int = 60
    concurrency: int = 4
    logprobs: bool = True
    extra: Mapping[str, Any] = field(default_factory=dict)
    rename: Mapping[str, str] = field(default_factory=dict)
    omit: Sequence[str] = field(default_factory=list)
    thinking: Mapping[str, str] = field(default_factory=dict)
    raw_text: bool = False

    def __post_init__(self) -> None:
        _check_url(self.base_url)
        _require(_is_text(self.model, 200), "model", "is missing or longer than 200 characters")
        _require(self.api in ("chat", "completions"), "api", "must be chat or completions")
        _require(_is_key_variable(self.key_env), "key_env", "must begin with MODEL_KEY_")
        _require(_within(self.timeout_seconds, 1, 600), "timeout_seconds", "must be 1 to 600")
        _require(_within(self.concurrency, 1, 64), "concurrency", "must be 1 to 64")
        _require(isinstance(self.logprobs, bool), "logprobs", "must be true or false")
        _require(isinstance(self.extra, dict), "extra", "must be an object")
        taken = ", ".join(sorted(OWN_FIELDS & self.extra.keys()))
        _require(not taken, "extra", f"cannot set {taken}")
        _check_names(self.rename, self.omit, self.extra)
        _require(_are_marks(self.thinking), "thinking", "must map openings to closings, as text")
        _require(isinstance(self.raw_text, bool), "raw_text", "must be true or false")

    @classmethod
    def from_dict(cls, values: object) -> Endpoint:
        """Read what the database or a client gives; an unknown or missing name is an error."""
        _require(isinstance(values, Mapping), "endpoint", "must be an object")
        assert isinstance(values, Mapping)
        known = set(cls.__dataclass_fields__)
        for name in values:
            _require(name in known, str(name)[:60], "is unknown")
        for name in ("base_url", "model"):
            _require(name in values, name, "is missing")
        return cls(**values)

    def shaped(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The request with the server's own names, without what it does not take."""
        kept = {name: value for name, value in body.items() if name not in self.omit}
        return {self.rename.get(name, name): value for name, value in kept.items()}

    def as_dict(self) -> dict[str, Any]:
        """The values as they are stored."""
        return asdict(self)

    @property
    def host(self) -> str:
        """The server's name, for messages."""
        return urlsplit(self.base_url).hostname or self.base_url

    def key_from_environment(self) -> str:
        """The key in the named variable. Raises EndpointError when it is not set."""
        key = os.environ.get(self.key_env, "").strip()
        _require(bool(key), "key_env", f"names {self.key_env}, which is not set on this machine")
        return key


def _check_url(url: object) -> None:
    _require(_is_text(url, 400), "base_url", "is missing or longer than 400 characters")
    try:
        parts = urlsplit(str(url))
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise EndpointError("base_url", f"cannot be read: {error}") from error
    _require(usable and parts.scheme in ("http", "https"), "base_url", "must be an http(s) address")
    _require("@" not in parts.netloc, "base_url", "must not hold a user name or password")
    _require(not parts.query and not parts.fragment, "base_url", "must end with its path")


def _check_names(rename: object, omit: object, extra: Mapping[str, Any]) -> None:
    names = f"may name {', '.join(sorted(SETTABLE))}"
    _require(isinstance(rename, dict), "rename", "must be an object")
    assert isinstance(rename, dict)
    _require(rename.keys() <= SETTABLE, "rename", names)
    _require(all(map(_is_field, rename.values())), "rename", "must give names of letters and _")
    unclear = OWN_FIELDS | SETTABLE | extra.keys()
    twice = len(set(rename.values())) < len(rename) or bool(unclear & set(rename.values()))
    _require(not twice, "rename", "gives a name that another field has")
    _require(isinstance(omit, list | tuple), "omit", "must be a list")
    assert isinstance(omit, list | tuple)
    _require(all(isinstance(name, str) and name in SETTABLE for name in omit), "omit", names)
    _require("max_tokens" not in omit, "omit", "cannot name max_tokens: answers need a limit")


def _require(holds: bool, name: str, reason: str) -> None:
    if not holds:
        raise EndpointError(name, reason)


def _is_text(value: object, limit: int) -> bool:
    return isinstance(value, str) and 0 < len(value) <= limit and value.isprintable()


def _is_key_variable(value: object) -> bool:
    return isinstance(value, str) and (not value or bool(KEY_VARIABLE.fullmatch(value)))


def _is_field(value: object) -> bool:
    return isinstance(value, str) and bool(_FIELD.fullmatch(value))


def _are_marks(value: object) -> bool:
    return isinstance(value, dict) and all(
        _is_text(opening, 60) and _is_text(closing, 60) for opening, closing in value.items()
    )


def _within(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
