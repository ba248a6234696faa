"""The state machines and their diagram."""

from __future__ import annotations

import pytest
from django.conf import settings

from core.states import Move, diagram
from operations.management.commands.draw_states import MACHINES


def test_the_diagram_is_up_to_date() -> None:
    path = settings.BASE_DIR / "docs" / "states.md"
    assert path.read_text(encoding="utf-8") == diagram(MACHINES), "run manage.py draw_states"


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.__name__)
def test_every_state_that_is_moved_from_can_be_reached(machine: type) -> None:
    moves = [value for value in vars(machine).values() if isinstance(value, Move)]
    reached = {str(start) for start in machine.starts} | {move.target for move in moves}
    assert {source for move in moves for source in move.sources} <= reached
