"""Rankings that contradict themselves, or came faster than anybody reads: found and stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from django.test import Client

from accounts.models import User
from labeling.models import Assignment, LabelingTask, Ranking
from labeling.work.contradictions import contradictions
from labeling.work.reading_time import CHARACTERS_A_SECOND, reading_seconds


class _Place(NamedTuple):
    rank: int
    overall: int
    flags: list[str]


CASES: dict[str, tuple[list[_Place], list[str]]] = {
    "2/7 above 6/7": ([_Place(1, 2, []), _Place(2, 6, [])], ["inverted", "lowest_first"]),
    "5/7 above 6/7 of three": ([_Place(1, 5, []), _Place(2, 6, []), _Place(3, 4, [])], []),
    "first and lowest, by a point": ([_Place(1, 5, []), _Place(2, 6, [])], ["lowest_first"]),
    "inverted below the first": (
        [_Place(1, 7, []), _Place(2, 1, []), _Place(3, 3, [])],
        ["inverted"],
    ),
    "a tie": ([_Place(1, 2, []), _Place(1, 6, [])], []),
    "fails, yet first": ([_Place(1, 5, ["fails_task"]), _Place(2, 5, [])], ["failing_first"]),
    "all fail": ([_Place(1, 5, ["fails_task"]), _Place(2, 5, ["fails_task"])], []),
    "fails, and last": ([_Place(1, 6, []), _Place(2, 2, ["fails_task"])], []),
    "all tied, as it began": ([_Place(1, 4, []), _Place(1, 4, [])], ["all_tied"]),
    "one alone": ([_Place(1, 4, [])], []),
}


@pytest.mark.parametrize("case", CASES)
def test_contradictions(case: str) -> None:
    placed, found = CASES[case]
    assert contradictions(placed) == found


def test_nobody_reads_so_much_in_so_little_time() -> None:
    assert reading_seconds(["a" * CHARACTERS_A_SECOND * 10, ""]) == 10
    # What one writes with wide characters takes longer to read than as many letters.
    assert reading_seconds(["読む" * CHARACTERS_A_SECOND]) == 6
    assert reading_seconds([]) == 0


def _submit(
    api: Callable[..., Any],
    claim: Callable[..., dict[str, Any]],
    ranking_of: Callable[..., dict[str, Any]],
    labeler: User,
    **changes: Any,
) -> Ranking:
    held = claim(labeler)
    body = ranking_of(held, **changes)
    assert api(labeler, f"assignments/{held['id']}/submit/", body).status_code == 200
    return Ranking.objects.latest("pk")


def test_both_are_kept_with_the_label_and_can_be_filtered(
    api: Callable[..., Any],
    client: Client,
    ada: User,
    olga: User,
    make_task: Callable[..., LabelingTask],
    claim: Callable[..., dict[str, Any]],
    ranking_of: Callable[..., dict[str, Any]],
) -> None:
    task = make_task(k=2)
    task.completions.update(text="word " * 1000)
    held = claim(ada)
    best, worst = (one["id"] for one in held["completions"])
    assert Assignment.objects.get().reading_seconds == 10_000 // CHARACTERS_A_SECOND
    body = {
        "ranking": [[best], [worst]],
        "ratings": {best: {"overall": 1, "flags": []}, worst: {"overall": 7, "flags": []}},
        "active_seconds": 9,
    }
    api(ada, f"assignments/{held['id']}/submit/", body)
    doubted = Ranking.objects.get()
    assert doubted.contradictions == ["inverted", "lowest_first"] and doubted.too_fast

    make_task(k=4)
    plain = _submit(api, claim, ranking_of, ada)
    assert plain.contradictions == [] and not plain.too_fast
    client.force_login(olga)
    for doubt in ("inverted", "lowest_first", "too_fast"):
        page = client.get("/admin/labeling/ranking/", {"doubt": doubt})
        assert [row.pk for row in page.context["cl"].result_list] == [doubted.pk]
    page = client.get(f"/admin/labeling/ranking/{doubted.pk}/change/").content.decode()
    assert "First, and rated lowest" in page and "Faster than anybody reads" in page
