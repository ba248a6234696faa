"""The corpus of hostile texts, rendered: only inert elements, and nothing that loads or runs."""

from __future__ import annotations

from html.parser import HTMLParser
from unicodedata import combining

import pytest

from frontend.rendering import ATTRIBUTES, TAGS, render_markdown
from frontend.templatetags.pages import excerpt
from tests.frontend.corpus import CORPUS

LINK = {"rel": "noopener noreferrer nofollow", "target": "_blank"}


class _Reader(HTMLParser):
    """The elements and attributes of some HTML, as a parser sees them, and whether all close."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attributes)))
        if tag not in {"br", "hr"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)


def test_the_corpus_is_large() -> None:
    assert len(set(CORPUS)) == len(CORPUS) >= 100


@pytest.mark.parametrize("text", CORPUS, ids=range(len(CORPUS)))
def test_a_hostile_text_becomes_inert(text: str) -> None:
    reader = _Reader(str(render_markdown(text)))
    assert reader.open == []
    for tag, attributes in reader.seen:
        assert tag in TAGS
        assert set(attributes) <= ATTRIBUTES.get(tag, set()) | ({"rel"} if tag == "a" else set())
        if "href" in attributes:
            assert str(attributes["href"]).startswith(("http://", "https://", "mailto:"))
            assert attributes.items() >= LINK.items()


@pytest.mark.parametrize("text", CORPUS, ids=range(len(CORPUS)))
def test_its_excerpt_is_plain_and_short(text: str) -> None:
    cut = excerpt(text, 180)
    assert len(cut) <= 4 * 180
    assert sum(not combining(letter) for letter in cut) <= 180
