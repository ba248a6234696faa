"""Messages to token ids and back: chat template, stop and padding token, decoding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:  # `Message` is needed by processes that never load a model
    from transformers import PreTrainedTokenizerBase


class Message(TypedDict):
    """One turn: role `system`, `user` or `assistant`, and its text."""

    role: str
    content: str


# For models without a chat template. Plain text, so that a base model sees what it knows:
#   ### User\n<text>\n\n### Assistant\n
FALLBACK_TURN = "### {role}\n{content}\n\n"
FALLBACK_REPLY = "### Assistant\n"


def encode_prompt(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> list[int]:
    """Token ids of the conversation up to where the assistant's reply starts.

    Uses the tokenizer's chat template with its generation prompt, or the fallback above. Special
    tokens written out in a message are text, never control tokens.
    """
    turns = [Message(role=m["role"], content=_disarm(tokenizer, m["content"])) for m in messages]
    if tokenizer.chat_template:
        return list(
            tokenizer.apply_chat_template(
                turns, add_generation_prompt=True, tokenize=True, return_dict=False
            )
        )
    return list(tokenizer(plain_text(turns))["input_ids"])


def plain_text(messages: Sequence[Message]) -> str:
    """The conversation by the fallback above, up to where the assistant's reply starts."""
    turns = (
        FALLBACK_TURN.format(role=turn["role"].capitalize(), content=turn["content"])
        for turn in messages
    )
    return "".join(turns) + FALLBACK_REPLY


def encode_response(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Token ids of a reply: the text without added specials, then the stop token."""
    ids = tokenizer(_disarm(tokenizer, text), add_special_tokens=False)["input_ids"]
    return [*ids, stop_token_id(tokenizer)]


def decode(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    """The text of token ids, special tokens left out."""
    return str(
        tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
    )


def stop_token_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """The token that ends a reply: the one the chat template closes a turn with, else eos."""
    if tokenizer.chat_template:
        closing = _turn_closing(tokenizer)
        if closing is not None:
            return closing
    if tokenizer.eos_token_id is None:
        raise ValueError("the tokenizer has no end-of-sequence token; set its eos_token")
    return int(tokenizer.eos_token_id)


def pad_token_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """A token for padding that is never the stop token.

    The tokenizer's own if it differs, else another special token, else any other id: masks, not
    ids, say what is padding, so the choice is invisible to the model. No token is added, since
    that would need a new row in the embedding.
    """
    stop = stop_token_id(tokenizer)
    candidates = [tokenizer.pad_token_id, *sorted(_specials(tokenizer)), 0, 1]
    return next(int(c) for c in candidates if c is not None and c != stop)


def _turn_closing(tokenizer: PreTrainedTokenizerBase) -> int | None:
    mark = "reply"
    turns = [Message(role="user", content="question"), Message(role="assistant", content=mark)]
    text = str(tokenizer.apply_chat_template(turns, tokenize=False))
    tail = text[text.rindex(mark) + len(mark) :]
    ids = tokenizer(tail, add_special_tokens=False)["input_ids"]
    specials = _specials(tokenizer)
    return next((int(i) for i in ids if i in specials), None)


def _specials(tokenizer: PreTrainedTokenizerBase) -> dict[int, str]:
    """Every control token, by id; all_special_tokens names only those with a standard role."""
    added = tokenizer.added_tokens_decoder
    named = zip(tokenizer.all_special_ids, tokenizer.all_special_tokens, strict=True)
    return {i: token.content for i, token in added.items() if token.special} | dict(named)


def _disarm(tokenizer: PreTrainedTokenizerBase, text: str) -> str:
    """Break up special tokens that a person typed, so that nobody can forge a turn."""
    for token in _specials(tokenizer).values():
        text = text.replace(token, f"{token[0]} {token[1:]}")
    return text
