"""Markdown to HTML that is safe to show, for text written by strangers and by models.

Two fences stand one behind the other: markdown-it with HTML off makes the elements, nh3 lets
through only those named here. Nothing it gives loads anything: an image becomes its description,
a link opens elsewhere, without a referrer, only when someone clicks it.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import nh3
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from frontend import maths

HIGHLIGHT_LIMIT = 20_000  # characters; beyond it colours cost more than they help
DEEPEST_HEADING = 6
HEADING_SHIFT = 2  # the page owns h1 and h2

_HEADINGS = {f"h{level}" for level in range(1, DEEPEST_HEADING + 1)}
TAGS = _HEADINGS | {
    "p", "br", "hr", "em", "strong", "s", "a", "blockquote", "ul", "ol", "li", "pre", "code",
    "span", "div", "table", "thead", "tbody", "tr", "th", "td",
} | maths.TAGS  # fmt: skip
_ADDRESSES = ("http://", "https://", "mailto:")
_BLOCKS = {"p", "ul", "ol", "blockquote", "table", *_HEADINGS}
ATTRIBUTES = {
    **{tag: {"dir"} for tag in _BLOCKS},
    "a": {"href", "title", "target"},
    "ol": {"start", "dir"},
    "span": {"class", "tabindex"},
    "div": {"class", "tabindex"},
    "pre": {"class", "tabindex", "dir"},
    "code": {"class"},
    **maths.ATTRIBUTES,
}


def render_markdown(text: str) -> SafeString:
    """Safe HTML for untrusted Markdown; single line ends are kept as they were written."""
    html = nh3.clean(
        _parser.render(text),
        tags=TAGS,
        attributes=ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )
    return mark_safe(html)  # noqa: S308 - nh3 let through only the tags above


def _code(code: str, language: str = "", _attributes: str = "") -> str:
    return (
        f'<pre class="hl" dir="ltr" tabindex="0"><code>{_highlighted(code, language)}</code></pre>'
    )


def _highlighted(code: str, language: str) -> str:
    if not language or len(code) > HIGHLIGHT_LIMIT:
        return escape(code)
    try:
        return highlight(code, get_lexer_by_name(language), HtmlFormatter(nowrap=True))
    except ClassNotFound:
        return escape(code)


def _code_block(
    self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any
) -> str:
    return _code(tokens[index].content)


def _image(self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    words = gettext("Image, not loaded: %(what)s")
    what = tokens[index].content or tokens[index].attrGet("src") or ""
    return f'<span class="image">{escape(words % {"what": what})}</span>'


def _table_open(*_: Any) -> str:
    return '<div class="table-scroll" tabindex="0"><table dir="auto">'


def _table_close(*_: Any) -> str:
    return "</table></div>"


def _link_open(
    self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any
) -> str:
    link = tokens[index]
    if not str(link.attrs["href"]).lower().startswith(_ADDRESSES):
        del link.attrs["href"]  # a path would lead into this site
    link.attrSet("target", "_blank")
    return self.renderToken(tokens, index, options, env)


def _lower_headings(state: Any) -> None:
    for token in state.tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(DEEPEST_HEADING, int(token.tag[1]) + HEADING_SHIFT)}"


def _turn_by_script(state: Any) -> None:
    """Each block runs as its own first letters do; what lies in it follows.

    On the outermost blocks alone, since a direction of its own would hide an inner block's letters
    from the outer one.
    """
    for token in state.tokens:
        if token.level == 0 and token.nesting == 1 and token.tag in _BLOCKS:
            token.attrSet("dir", "auto")


def _build() -> MarkdownIt:
    options = {"html": False, "breaks": True, "highlight": _code}
    parser = MarkdownIt("commonmark", options).enable(["table", "strikethrough"])
    for name, rule in {
        "image": _image,
        "code_block": _code_block,
        "table_open": _table_open,
        "table_close": _table_close,
        "link_open": _link_open,
    }.items():
        parser.add_render_rule(name, rule)
    parser.use(maths.maths_plugin)
    parser.core.ruler.push("lower_headings", _lower_headings)
    parser.core.ruler.push("turn_by_script", _turn_by_script)
    return parser


_parser = _build()
