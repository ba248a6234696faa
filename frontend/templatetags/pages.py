"""What the templates need beyond Django's own tags: rendered Markdown and the import map."""

from __future__ import annotations

import json
from functools import cache
from html import unescape
from pathlib import Path

from django import template
from django.conf import settings
from django.templatetags.static import static
from django.utils.formats import number_format
from django.utils.html import format_html, strip_tags
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator

from core import __version__
from frontend.rendering import render_markdown
from labeling.intake.few_shot import is_told_by
from labeling.models import Prompt, UseCase

register = template.Library()
STATIC = Path(__file__).parent.parent / "static"
VENDORED = {
    "@hotwired/stimulus": "vendor/stimulus/stimulus.js",
    "sortablejs": "vendor/sortablejs/sortable.esm.js",
    "uplot": "vendor/uplot/uPlot.esm.js",
}

_MINUTE = 60

register.filter("markdown", render_markdown)


@register.filter
def excerpt(text: str, length: int) -> str:
    """The first characters of Markdown as plain words on one line."""
    # Rendering all of a long text for its first lines would be waste.
    words = strip_tags(render_markdown(text[: 4 * length]))
    return Truncator(unescape(" ".join(words.split()))).chars(length)


@register.filter
def spoken(name: str) -> str:
    """A name as people write it: "mental_health" is "mental health"."""
    return name.replace("_", " ")


@register.simple_tag
def version() -> str:
    """Of the product."""
    return __version__


@register.simple_tag
def use_case_choices() -> list[tuple[str, str]]:
    """The ten use cases, names and English labels."""
    return list(UseCase.choices)


@register.filter
def minutes(seconds: int) -> str:
    """A time of work in words: "48 s", "12 min", "3 h 05 min"."""
    if seconds < _MINUTE:
        return f"{seconds} s"
    hours, rest = divmod(round(seconds / _MINUTE), _MINUTE)
    return f"{hours} h {rest:02} min" if hours else f"{rest} min"


@register.filter
def percent(share: float) -> str:
    """A share, 0 to 1, with one decimal: "72.6"."""
    return number_format(round(100 * share, 1), 1)  # which alone would cut what it leaves out


@register.filter
def is_few_shot(prompt: Prompt) -> bool:
    """Whether instruction and pairs say all that the prompt's messages say."""
    return is_told_by(prompt.messages, prompt.instruction, prompt.examples)


@register.simple_tag
def import_map(nonce: str) -> SafeString:
    """The page's one inline script: names and plain addresses of modules to their hashed files.

    A module imports its neighbour by relative path; the browser looks up the resulting address
    here, so that a changed file gets a new address without anything being rewritten.
    """
    imports = {name: static(path) for name, path in VENDORED.items()}
    imports |= {f"{settings.STATIC_URL}{path}": static(path) for path in _modules()}
    body = json.dumps({"imports": imports}, indent=1).replace("<", "\\u003c")
    return format_html(
        '<script type="importmap" nonce="{}">{}</script>',
        nonce,
        mark_safe(body),  # noqa: S308 - our own file names, as JSON
    )


@cache
def _modules() -> list[str]:
    """Our own modules by their path below static/, as they lay there when the process began."""
    return sorted(path.relative_to(STATIC).as_posix() for path in STATIC.glob("js/**/*.js"))
