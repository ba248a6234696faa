"""Markdown from strangers becomes HTML in which nothing runs and nothing loads."""

from __future__ import annotations

import time

import pytest

from frontend.rendering import render_markdown
from frontend.templatetags.pages import excerpt, percent


def test_it_renders_what_labelers_read() -> None:
    html = render_markdown("**bold**\nnext line\n\n- a\n\n|x|\n|-|\n|1|")
    assert "<strong>bold</strong><br>" in html
    assert "<li>a</li>" in html
    assert '<div class="table-scroll" tabindex="0"><table dir="auto">' in html


def test_headings_stay_below_the_pages_own() -> None:
    assert render_markdown("# Title\n\n###### deep").replace("\n", "") == (
        '<h3 dir="auto">Title</h3><h6 dir="auto">deep</h6>'
    )


def test_a_link_opens_elsewhere_and_tells_nothing() -> None:
    html = render_markdown("[x](https://e.example)")
    assert 'target="_blank"' in html
    assert 'rel="noopener noreferrer nofollow"' in html


def test_an_image_becomes_its_description() -> None:
    html = render_markdown("![a cat](https://e.example/cat.png)")
    assert html.strip() == '<p dir="auto"><span class="image">Image, not loaded: a cat</span></p>'


def test_code_is_coloured_by_classes() -> None:
    html = render_markdown("```python\ndef f(): ...\n```")
    assert '<span class="k">def</span>' in html
    assert "style" not in html


def test_an_excerpt_is_plain_words_on_one_line() -> None:
    assert excerpt("# Tides\n\n**The** Moon & *more*\n\n- a", 40) == "Tides The Moon & more a"


FRACTION = "<mfrac><mrow><mi>a</mi></mrow><mrow><mi>b</mi></mrow></mfrac>"


@pytest.mark.parametrize("written", [r"$\frac{a}{b}$", r"\(\frac{a}{b}\)"])
def test_a_formula_in_a_line_is_mathml(written: str) -> None:
    html = render_markdown(f"So {written}.")
    assert html.strip() == (
        f'<p dir="auto">So <math display="inline"><mrow>{FRACTION}</mrow></math>.</p>'
    )


@pytest.mark.parametrize("written", ["$$\n\\frac{a}{b}\n$$", "\\[ \\frac{a}{b} \\]"])
def test_a_formula_on_its_own_scrolls_in_itself(written: str) -> None:
    html = render_markdown(written)
    assert f'<math display="block"><mrow>{FRACTION}</mrow></math>' in html
    assert '<span class="formula" tabindex="0">' in html


def test_money_is_no_formula() -> None:
    assert "math" not in render_markdown("It costs $5 or $6, and $7 more.")


@pytest.mark.parametrize("latex", [r"\frac{", r"\nonsense{a}", "{", "x" * 2001, r"\left( x"])
def test_bad_latex_is_shown_as_it_was_written(latex: str) -> None:
    html = render_markdown(f"${latex}$")
    assert html.strip() == f'<p dir="auto"><code>{latex}</code></p>'


def test_a_formula_cannot_carry_markup() -> None:
    html = render_markdown(
        r"$\text{<img src=x onerror=alert(1)>}\href{javascript:x}{y}\style{a}{b}$"
    )
    assert "<img" not in html
    assert "href" not in html
    assert "style" not in html


@pytest.mark.parametrize("text", ["\\(x ", "\\[x ", "$x ", "$$", "[x](", "**", "> ", "`"])
def test_a_long_text_of_beginnings_is_rendered_soon(text: str) -> None:
    began = time.process_time()
    render_markdown(text * (100_000 // len(text)))
    assert time.process_time() - began < 30  # far from what quadratic work would take


def test_each_block_runs_as_its_own_script_does() -> None:
    html = render_markdown("שלום\n\nhello\n\n- مرحبا\n  - ok\n\n> 你好\n\n    code")
    assert html.count('dir="auto"') == 4
    assert '<ul dir="auto">' in html
    assert '<pre class="hl" dir="ltr"' in html


@pytest.mark.parametrize(
    ("share", "shown"), [(0.45791, "45.8"), (0.62821, "62.8"), (0.9996, "100.0"), (0, "0.0")]
)
def test_a_percentage_is_rounded(share: float, shown: str) -> None:
    assert percent(share) == shown
