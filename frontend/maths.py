r"""LaTeX in Markdown as MathML, which browsers set by themselves: no script, no font, no image.

`$…$` and `\(…\)` stand in a line, `$$…$$` and `\[…\]` on a line of their own. What is not LaTeX,
or too long, is shown as it was written.
"""

from __future__ import annotations

from html import escape, unescape
from typing import Any
from xml.etree.ElementTree import Element, tostring  # writing alone; nothing is parsed

from latex2mathml.converter import convert_to_element
from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from mdit_py_plugins.dollarmath import dollarmath_plugin

LONGEST = 2_000  # characters of one formula

TAGS = {
    "math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "msup", "msub", "msubsup", "mfrac",
    "msqrt", "mroot", "munder", "mover", "munderover", "mtable", "mtr", "mtd", "mstyle", "mpadded",
    "mphantom", "menclose",
}  # fmt: skip
ATTRIBUTES = {
    "math": {"display"},
    "mi": {"mathvariant"},
    "mo": {"stretchy", "fence", "form", "separator", "minsize", "maxsize", "movablelimits"},
    "mspace": {"width"},
    "mfrac": {"linethickness"},
    "munder": {"accentunder"},
    "mover": {"accent"},
    "mtable": {"columnalign", "columnlines", "rowlines"},
    "mtd": {"columnalign"},
    "mstyle": {"displaystyle", "scriptlevel"},
    "menclose": {"notation"},
}

_CLOSING = {"\\(": "\\)", "\\[": "\\]"}


def maths_plugin(parser: MarkdownIt) -> None:
    """Teach a parser the four ways to write a formula; `$5 and $6` stays money."""
    parser.use(
        dollarmath_plugin,
        allow_space=False,
        allow_digits=False,
        allow_labels=False,
        allow_blank_lines=False,
        double_inline=True,
    )
    parser.inline.ruler.before("escape", "math_brackets", _brackets)
    for name, display in {
        "math_inline": False,
        "math_inline_double": True,
        "math_block": True,
    }.items():
        parser.add_render_rule(name, _block if display else _inline)


def mathml(latex: str, *, display: bool) -> str:
    """The formula as a `math` element, escaped; as a `code` element where it is no LaTeX."""
    try:
        if len(latex) > LONGEST:
            raise ValueError("too long to be a formula")
        root = convert_to_element(latex, display="block" if display else "inline")
        return _written(root)
    except Exception:  # the converter meets hostile text and has no common exception
        return f"<code>{escape(latex)}</code>"


def _written(root: Element) -> str:
    for element in root.iter():
        if element.tag == "mi" and (element.text or "").startswith("\\"):
            raise ValueError("a command that is not LaTeX")
        # The converter writes signs as references; written out, they are escaped once.
        element.text = unescape(element.text or "") or None
    return tostring(root, encoding="unicode")


def _brackets(state: StateInline, silent: bool) -> bool:
    opening = state.src[state.pos : state.pos + 2]
    if opening not in _CLOSING:
        return False
    begin = state.pos + 2
    end = state.src.find(_CLOSING[opening], begin, begin + LONGEST)
    if end <= begin:
        return False
    if not silent:
        display = opening == "\\["
        token = state.push("math_inline_double" if display else "math_inline", "math", 0)
        token.content, token.markup = state.src[begin:end], opening
    state.pos = end + 2
    return True


def _inline(self: Any, tokens: Any, index: int, options: Any, env: Any) -> str:
    return mathml(tokens[index].content.strip(), display=False)


def _block(self: Any, tokens: Any, index: int, options: Any, env: Any) -> str:
    formula = mathml(tokens[index].content.strip(), display=True)
    return f'<span class="formula" tabindex="0">{formula}</span>'
