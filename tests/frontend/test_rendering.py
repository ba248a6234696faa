"""Markdown from strangers becomes HTML in which nothing runs and nothing loads."""

from __future__ import annotations

import re

import pytest

from frontend.rendering import render_markdown
from frontend.templatetags.pages import excerpt

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)><use href='data:image/svg+xml,x'/></svg>",
    "<iframe src='https://e.example'></iframe>",
    "<style>@import 'https://e.example'</style>",
    "<a href='javascript:alert(1)'>x</a>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](vbscript:x)",
    "[x](https://e.example \"onmouseover=alert(1)\")",
    "![x](https://e.example/track.png)",
    "![x](javascript:alert(1))",
    "![<img src=x onerror=alert(1)>](x)",
    "```\"><script>alert(1)</script>\nx\n```",
    "```html\n<script>alert(1)</script>\n```",
    "`<script>alert(1)</script>`",
    "| <script> | b |\n|---|---|\n| <img src=x> | 2 |",
    "<https://e.example/?x=<script>>",
    "[ref]: javascript:alert(1)\n\n[ref]",
    "<base href='https://e.example'>",
    "<form action='https://e.example'><input></form>",
    "<p style='position:fixed'>x</p>",
    "<math><mtext><script>alert(1)</script></mtext></math>",
]  # fmt: skip
INERT = {"p", "a", "span", "pre", "code", "div", "table", "thead", "tbody", "tr", "th", "td"}


@pytest.mark.parametrize("text", HOSTILE)
def test_it_makes_hostile_text_inert(text: str) -> None:
    html = str(render_markdown(text))
    elements = set(re.findall(r"<([a-z0-9]+)", html))
    assert elements <= INERT
    attributes = " ".join(re.findall(r"<[a-z0-9]+ ([^>]*)>", html))
    assert not re.search(r"\b(on\w+|style|src|srcset)=", re.sub(r'"[^"]*"', '""', attributes))
    assert not re.search(r'href="(?!https?:|mailto:)', html)


def test_it_renders_what_labelers_read() -> None:
    html = render_markdown("**bold**\nnext line\n\n- a\n\n|x|\n|-|\n|1|")
    assert "<strong>bold</strong><br>" in html
    assert "<li>a</li>" in html
    assert '<div class="table-scroll" tabindex="0"><table>' in html


def test_headings_stay_below_the_pages_own() -> None:
    assert render_markdown("# Title\n\n###### deep").replace("\n", "") == (
        "<h3>Title</h3><h6>deep</h6>"
    )


def test_a_link_opens_elsewhere_and_tells_nothing() -> None:
    html = render_markdown("[x](https://e.example)")
    assert 'target="_blank"' in html
    assert 'rel="noopener noreferrer nofollow"' in html


def test_an_image_becomes_its_description() -> None:
    html = render_markdown("![a cat](https://e.example/cat.png)")
    assert html.strip() == '<p><span class="image">Image, not loaded: a cat</span></p>'


def test_code_is_coloured_by_classes() -> None:
    html = render_markdown("```python\ndef f(): ...\n```")
    assert '<span class="k">def</span>' in html
    assert "style" not in html


def test_an_excerpt_is_plain_words_on_one_line() -> None:
    assert excerpt("# Tides\n\n**The** Moon & *more*\n\n- a", 40) == "Tides The Moon & more a"
