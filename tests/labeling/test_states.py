"""The state machines and their diagram."""

from __future__ import annotations

from django.conf import settings

from labeling.states import diagram


def test_the_diagram_is_up_to_date() -> None:
    path = settings.BASE_DIR / "docs" / "states.md"
    assert path.read_text(encoding="utf-8") == diagram(), "run manage.py draw_states"
