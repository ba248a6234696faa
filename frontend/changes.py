"""What changed between two texts in Markdown, as safe HTML of the newer one.

Both are rendered first, so that what is compared is what is read: line by line, and word by word in
the lines that differ. New words stand in <ins>, removed ones in <del>.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import groupby

import nh3
from django.utils.safestring import SafeString, mark_safe

from frontend.rendering import ATTRIBUTES, TAGS, render_markdown

Change = Callable[[Sequence[str], Sequence[str]], Iterator[str]]

_TOKEN = re.compile(r"<[^>]*>|\s+|[^<\s]+")
_OPENS = re.compile(r"<(\w+)[^>]*>")


def rendered_changes(old: str, new: str) -> SafeString:
    """The newer text as HTML, with what was added to it and removed from it marked."""
    before, after = (render_markdown(text).splitlines(keepends=True) for text in (old, new))
    html = "".join(_compared(before, after, _changed_lines))
    # Through the same fence as all rendered text, with the two tags of a difference.
    safe = nh3.clean(html, tags=TAGS | {"ins", "del"}, attributes=ATTRIBUTES, link_rel=None)
    return mark_safe(safe)  # noqa: S308 - nh3 let through only the tags above


def _compared(before: Sequence[str], after: Sequence[str], change: Change) -> Iterator[str]:
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for what, a, b, c, d in matcher.get_opcodes():
        if what == "equal":
            yield from after[c:d]
        else:
            yield from change(before[a:b], after[c:d])


def _changed_lines(before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    yield from _compared(_tokens(before), _tokens(after), _changed_words)


def _changed_words(before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    # A removed element keeps its tags only when it is whole; the newer text's own are all there.
    gone = before if _is_whole(before) else [token for token in before if not _is_tag(token)]
    yield from _marked("del", gone)
    yield from _marked("ins", after)


def _marked(tag: str, tokens: Sequence[str]) -> Iterator[str]:
    for is_tag, group in groupby(tokens, _is_tag):
        text = "".join(group)
        yield text if is_tag or not text.strip() else f"<{tag}>{text}</{tag}>"


def _is_whole(tokens: Sequence[str]) -> bool:
    """Whether every element that begins among the tokens ends among them."""
    open_tags: list[str] = []
    for token in filter(_is_tag, tokens):
        if found := _OPENS.fullmatch(token):
            open_tags += [] if token.endswith("/>") or token in ("<br>", "<hr>") else [found[1]]
        elif not open_tags or token != f"</{open_tags.pop()}>":
            return False
    return not open_tags


def _tokens(lines: Sequence[str]) -> list[str]:
    return _TOKEN.findall("".join(lines))


def _is_tag(token: str) -> bool:
    return token.startswith("<")
