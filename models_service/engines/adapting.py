"""Requests as a server takes them: what is changed after it refused one, by its own words.

Each change is a pure function of a request's body, so that an engine can keep those that helped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from models_service.endpoints import OWN_FIELDS, SETTABLE
from models_service.engines.remote import Refused
from models_service.lm.chat import Message, before_first_user_turn

Body = dict[str, Any]
Change = Callable[[Body], Body]

# Left out where a server does not know them: an answer is an answer without.
_OPTIONAL = ("n", "logprobs", "seed", "stream_options")
_KNOWN = OWN_FIELDS | SETTABLE
_INSTEAD = re.compile(
    r"\buse (?:the )?['\"`]?([a-z_]{1,60})['\"`]?(?: \w+)? instead", re.IGNORECASE
)
_ABOUT_ROLES = re.compile(r"\b(system|developer|roles?)\b", re.IGNORECASE)


def change_for(body: Body, refusal: Refused, prefix: str) -> Change | None:
    """What may make the server take the request, or None where nothing is left to try.

    A field is renamed as the server says. Optional fields are left out: those that it names, or
    all when it names none of the request's. A prefix moves into the first user turn where the
    server minds roles; a prompt's own system turn stays, since it is the prompt's.
    """
    named = [name for name in body if name in refusal.fields or _quotes(refusal, name)]
    instead = _INSTEAD.search(str(refusal))
    renamed = [name for name in named if name in SETTABLE]
    if instead and renamed and instead[1] not in _KNOWN | body.keys():
        return _rename(renamed[0], instead[1])
    if _begins_with(body, prefix) and _ABOUT_ROLES.search(str(refusal)):
        return lambda body: body | {"messages": fold_system(body["messages"])}
    dropped = [name for name in _OPTIONAL if name in (named or body)]
    return _leave_out(dropped) if dropped else None


def fold_system(messages: Sequence[Message]) -> list[Message]:
    """The conversation with its first turn's words before those of the first user turn."""
    return before_first_user_turn(messages[1:], messages[0]["content"])


def _quotes(refusal: Refused, name: str) -> bool:
    return re.search(rf"['\"`]{name}['\"`]", str(refusal)) is not None


def _begins_with(body: Body, prefix: str) -> bool:
    system = [Message(role="system", content=prefix)]
    return bool(prefix) and list(body.get("messages", ()))[:1] == system


def _rename(old: str, new: str) -> Change:
    return lambda body: {new if name == old else name: value for name, value in body.items()}


def _leave_out(names: Sequence[str]) -> Change:
    return lambda body: {name: value for name, value in body.items() if name not in names}
