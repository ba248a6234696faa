"""The interface in German: every sentence of the catalogues is translated and reaches the page."""

from __future__ import annotations

import ast
import gettext
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.test import Client
from django.utils import translation
from django.utils.translation.template import templatize

from accounts.models import User
from labeling.work import ownership
from tests.browser.scenes import demonstration_task

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = ROOT / "frontend"
# The admin and the console speak English.
ENGLISH = {"console", "admin"}
FOR_LABELERS = (
    "work/submissions", "work/assignments", "work/leases", "work/ownership", "work/amendments",
    "work/rankings", "work/written_prompts", "review/reports",
)  # fmt: skip
LITERAL = r"""u?(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
CALL = re.compile(rf"\b(?:n?gettext(?:_lazy)?|_)\(\s*({LITERAL})(?:,\s*({LITERAL}))?")
CATALOGUES = sorted((ROOT / "frontend" / "locale" / "de" / "LC_MESSAGES").glob("*.po"))


@pytest.fixture(autouse=True)
def back_to_english() -> Iterator[None]:
    """A request leaves its language to the thread, and so to the next test."""
    yield
    translation.deactivate()


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_no_sentence_is_left_out(path: Path) -> None:
    entries = path.read_text().split("\n\n")[1:]
    assert entries
    assert [entry for entry in entries if re.search(r'msgstr(\[\d\])? ""$', entry, re.M)] == []


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_no_translation_is_a_guess(path: Path) -> None:
    assert "#, fuzzy" not in path.read_text()


def test_every_sentence_of_the_pages_is_in_the_catalogue() -> None:
    templates = [templatize(path.read_text()) for path in _sources("templates/**/*.html")]
    views = [path.read_text() for path in _sources("views/*.py", "*.py")]
    assert _spoken(templates + views) - _msgids("django") == set()


def test_every_sentence_of_the_scripts_is_in_the_catalogue() -> None:
    scripts = [path.read_text() for path in _sources("static/js/**/*.js")]
    assert _spoken(scripts) - _msgids("djangojs") == set()


def test_every_sentence_with_which_the_api_refuses_a_labeler_is_in_the_catalogue() -> None:
    calls = [
        node
        for name in FOR_LABELERS
        for node in ast.walk(ast.parse((ROOT / "labeling" / f"{name}.py").read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"Problem", "refuse"}
    ]
    told = {call.args[1].value for call in calls if isinstance(call.args[1], ast.Constant)}
    assert len(told) >= len(FOR_LABELERS)
    assert (told | {*ownership._OVER.values()}) - _msgids("djangojs") == set()


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_the_compiled_catalogue_is_that_of_the_source(path: Path) -> None:
    with path.with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    single = re.findall(r'^msgid "(.+)"\nmsgstr "(.+)"$', path.read_text(), re.M)
    assert single
    for english, german in single:
        assert compiled.gettext(_plain(english)) == _plain(german)


@pytest.mark.django_db
def test_a_page_speaks_german(client_of: Callable[[User], Client], ada: User) -> None:
    demonstration_task()
    page = client_of(ada).get("/", headers={"Accept-Language": "de"}).content.decode()
    assert '<html lang="de"' in page
    assert "Schön, dass Sie da sind, ada" in page
    assert "Prompts schreiben" in page


@pytest.mark.django_db
def test_a_visitor_chooses_the_language_of_the_login_page(client: Client) -> None:
    chosen = client.post("/language/", {"language": "de", "next": "/login/"})
    assert chosen["Location"] == "/login/"
    assert '<html lang="de"' in client.get("/login/").content.decode()


def test_the_scripts_speak_german(client: Client) -> None:
    words = client.get("/words.js", headers={"Accept-Language": "de"}).content.decode()
    assert "Wird gespeichert" in words


def _sources(*patterns: str) -> list[Path]:
    found = [path for pattern in patterns for path in PAGES.glob(pattern)]
    assert found
    return [path for path in found if not ENGLISH & {*path.parts, path.stem}]


def _spoken(sources: list[str]) -> set[str]:
    calls = [call for source in sources for call in CALL.findall(source)]
    assert calls
    return {ast.literal_eval(text.removeprefix("u")) for call in calls for text in call if text}


def _msgids(domain: str) -> set[str]:
    po = (CATALOGUES[0].parent / f"{domain}.po").read_text()
    found = re.findall(r'^msgid(?:_plural)? ((?:"(?:[^"\\]|\\.)*"\s*)+)', po, re.M)
    return {ast.literal_eval(f"({text})") for text in found}


def _plain(text: str) -> str:
    return text.replace('\\"', '"').replace("\\n", "\n")
