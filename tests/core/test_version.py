"""One version, shown wherever somebody asks which code this is."""

from __future__ import annotations

import tomllib
from collections.abc import Callable

import pytest
from django.conf import settings
from django.test import Client

from accounts.models import User
from core import __version__


def test_the_package_reads_it_where_everything_else_does() -> None:
    project = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())
    assert "version" not in project["project"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "core.__version__"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("who", "page"),
    [
        ("ada", "/"),
        ("ada", "/guidelines/"),
        ("rosa", "/admin/"),
        ("olga", "/admin/accounts/user/"),
        ("olga", "/admin/accounts/user/add/"),
        ("olga", "/admin/accounts/"),
    ],
)
def test_it_is_the_last_line_of_every_page(
    who: str, page: str, request: pytest.FixtureRequest, client_of: Callable[[User], Client]
) -> None:
    user = request.getfixturevalue(who)
    text = client_of(user).get(page, follow=True).content.decode()
    assert text.count(f'<footer class="foot">Tutelage {__version__}</footer>') == 1
