"""Marks that models write around their answers: thinking, and the end of a turn. No server is
asked here; text goes in, and what a labeler sees of it comes out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

# Opening and closing of thinking, as the chat templates of these families write them.
THINKING: Mapping[str, str] = {
    "<think>": "</think>",  # DeepSeek, Qwen, GLM, Phi, MiniMax
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",  # EXAONE, Gemini
    "<reasoning>": "</reasoning>",
    "<seed:think>": "</seed:think>",  # Seed
    "<|channel|>analysis<|message|>": "<|channel|>final<|message|>",  # gpt-oss
    "<|START_THINKING|>": "<|END_THINKING|>",  # Command
    "[THINK]": "[/THINK]",  # Magistral
    "◁think▷": "◁/think▷",  # Kimi
}
# `<|im_end|>`, `<|eot_id|>`, DeepSeek's full-width bars, `</s>`, `<end_of_turn>`, `<eos>`, at the
# end of a text.
_END = re.compile(r"(?:<[|｜][^<>|｜\s]{1,40}[|｜]>|</s>|<(?:end|endoftext|end_of_\w+|eo[st])>)\Z")
# The end of a growing text that may yet become a mark.
_BEGUN = re.compile(r"[<\[◁][^\s<>\[\]]*\Z")
_TAIL = 200  # characters in which end markers are looked for


@dataclass(frozen=True)
class Spoken:
    """What of a text is the answer; whether thinking was taken off it, and an end marker."""

    text: str
    thought: bool = False
    ended: bool = False


def spoken(text: str, further: Mapping[str, str], *, grows: bool = False) -> Spoken:
    """The answer without thinking and end markers; `further` pairs stand beside THINKING.

    Of a text that still grows, what may yet become a mark waits.
    """
    marks = {**THINKING, **further}
    if grows:
        begun = any(opening.startswith(text.strip()) for opening in marks)
        text = "" if begun else _BEGUN.sub("", text)
    bare, ended = _without_end(text)
    answer = bare
    for opening, closing in marks.items():
        if opening in answer or closing in answer:
            answer = _without_thinking(answer, opening, closing)
    thought = answer != bare
    return Spoken(answer.lstrip() if thought else answer, thought, ended)


def _without_thinking(text: str, opening: str, closing: str) -> str:
    """Blocks that begin a line are thinking, and at the start of the text one that never closes.

    A closing alone ends what the server's chat template opened. Quoted, a mark is only spoken of.
    """
    start, close = re.escape(opening), re.escape(closing)
    end = rf"(?:(?<![`'\"]){close}|{close}(?![`'\"]))"
    rest = re.sub(rf"\A\s*{start}(?:.*?{end}|.*\Z)", "", text, flags=re.DOTALL)
    rest = re.sub(rf"^[ \t]*{start}.*?{end}\s*", "", rest, flags=re.DOTALL | re.MULTILINE)
    return rest if rest != text else re.sub(rf"\A.*?{end}", "", text, flags=re.DOTALL)


def _without_end(text: str) -> tuple[str, bool]:
    head, tail = text[:-_TAIL], text[-_TAIL:]
    bare = tail
    while found := _END.search(bare.rstrip()):
        bare = bare[: found.start()].rstrip()
    return head + bare, bare != tail
