"""Hidden utilities: what a simulated labeler wants of a completion.

A utility is any `module:function` that takes the prompt's messages and a text and returns a number,
more being better. The one here is made of what a small model can learn within one round and what
a person would agree with as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

Messages = Sequence[Mapping[str, str]]

FEWEST_WORDS = 6
ENOUGH_WORDS = 25
TOO_MANY_WORDS = 60
_TOPIC_WORDS = 3
_SENTENCE_END = re.compile(r"[.!?…][\"')\]*`]*$")
_WORD = re.compile(r"\w+")


def concise(messages: Messages, text: str) -> float:
    """Short, finished, on topic and without repetition: from 0 (nothing said) to 3.

    Being finished (the last sentence ends) and being brief count 1 each, being on topic and not
    repeating oneself 0.5 each; brevity is full from 6 to 25 words and gone at 60.
    """
    words = _WORD.findall(text.casefold())
    if not words:
        return 0.0
    return (
        finished(text)
        + brevity(len(words))
        + 0.5 * on_topic(messages[-1]["content"], words)
        + 0.5 * freshness(words)
    )


def finished(text: str) -> float:
    """1 if the text ends as a sentence does."""
    return float(bool(_SENTENCE_END.search(text.rstrip())))


def brevity(words: int) -> float:
    """1 between too little and too much, falling in a straight line to 0 on both sides."""
    if words < FEWEST_WORDS:
        return words / FEWEST_WORDS
    beyond = max(0, words - ENOUGH_WORDS)
    return max(0.0, 1 - beyond / (TOO_MANY_WORDS - ENOUGH_WORDS))


def on_topic(prompt: str, words: Sequence[str]) -> float:
    """The share of up to three content words of the prompt that come back."""
    wanted = set(content_words(prompt))
    return min(1.0, len(wanted & set(words)) / min(_TOPIC_WORDS, len(wanted) or 1))


def content_words(text: str) -> list[str]:
    """The words of five letters and more, each once, in their order."""
    return list(dict.fromkeys(w for w in _WORD.findall(text.casefold()) if len(w) >= 5))


def freshness(words: Sequence[str]) -> float:
    """The share of different ones among the pairs of neighbouring words."""
    pairs = list(pairwise(words))
    return len(set(pairs)) / len(pairs) if pairs else 1.0
