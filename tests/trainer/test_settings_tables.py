"""The documentation of the algorithms explains every setting."""

from __future__ import annotations

import pytest
from django.conf import settings

from trainer.management.settings_tables import pages, with_table


@pytest.mark.parametrize("name", pages())
def test_the_page_s_table_is_what_the_settings_say(name: str) -> None:
    page = (settings.BASE_DIR / "docs" / f"{name}.md").read_text()
    assert with_table(page, pages()[name]) == page, "run manage.py write_settings"


def test_a_page_without_the_section_is_refused() -> None:
    with pytest.raises(ValueError, match="no section"):
        with_table("# Nothing\n", pages()["sft"])
