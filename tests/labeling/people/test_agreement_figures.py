"""Agreement taken apart, over drawn crews of which it is known who agrees on what."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from accounts.models import User
from labeling.models import Completion, LabelingTask, Prompt, RankedCompletion, Ranking
from labeling.people.agreement_figures import (
    Overlap,
    Said,
    flag_agreement,
    matrix,
    overall,
    parts,
    with_themselves,
)
from labeling.people.agreement_reads import overlaps, repeats

ORDER, TURNED = (1, 2, 3), (3, 2, 1)
Call = Callable[..., Any]


def said(labeler: int, ranks: tuple[int, ...] = ORDER, **known: Any) -> Said:
    flags = known.pop("flags", [()] * len(ranks))
    usual = {"group": "training", "guideline": "training v1", "day": date(2026, 3, 4)}
    return Said(labeler, **(usual | known), ranks=ranks, flags=[frozenset(of) for of in flags])


def task(*all_said: Said, use_case: str = "chat", language: str = "en") -> Overlap:
    return Overlap(use_case, language, all_said)


def rates(tasks: list[Overlap], by: str) -> dict[str, float]:
    return {name: part.rate.estimate for name, part in parts(tasks, by).items() if part.rate}


def test_parts_hold_what_was_asked_and_the_worst_comes_first() -> None:
    tasks = [
        *[task(said(1), said(2))] * 3,
        *[task(said(1), said(2, TURNED), use_case="rewrite", language="")] * 2,
    ]
    assert rates(tasks, "use_case") == {"rewrite": 0.0, "chat": 1.0}
    assert rates(tasks, "language") == {"unknown": 0.0, "en": 1.0}
    assert list(rates(tasks, "use_case")) == ["rewrite", "chat"]
    whole = overall(tasks)
    assert (whole.comparisons, whole.tasks) == (15, 5)


def test_only_labelers_of_one_group_or_guideline_meet() -> None:
    held_out = {"group": "held_out", "guideline": "training v2"}
    tasks = [
        task(said(1), said(2), said(3, TURNED, **held_out)),
        task(said(1), said(3, TURNED, **held_out)),
    ]
    assert rates(tasks, "group") == {"training": 1.0}
    assert rates(tasks, "guideline") == {"training v1": 1.0}
    assert parts(tasks, "group")["training"].tasks == 1


def test_a_task_stands_under_each_flag_and_under_the_week_of_its_last_ranking() -> None:
    flagged = said(1, flags=[("hallucination",), (), ("moral_judgment", "hallucination")])
    tasks = [task(flagged, said(2, day=date(2026, 3, 9))), task(said(1), said(2, TURNED))]
    assert rates(tasks, "flag") == {"hallucination": 1.0, "moral_judgment": 1.0}
    assert rates(tasks, "week") == {"2026-03-09": 1.0, "2026-03-02": 0.0}


def test_a_part_is_told_from_all_only_where_it_surely_is() -> None:
    bad = [task(said(1), said(2, TURNED), use_case="rewrite")]
    good = [task(said(1), said(2))]
    found = parts(good * 40 + bad * 40, "use_case")
    whole = overall(good * 40 + bad * 40)
    assert found["rewrite"].beside(whole) == "less"
    assert found["chat"].beside(whole) == "more"
    [alone] = parts(bad, "use_case").values()
    assert alone.beside(whole) == ""  # of one task nothing is sure


def test_the_matrix_has_every_two_who_met() -> None:
    tied = (1, 1, 2)
    pairs = matrix([task(said(2), said(1), said(3, TURNED)), task(said(1, tied), said(2, tied))])
    assert [(pair.first, pair.second, pair.tasks) for pair in pairs] == [
        (1, 2, 2), (1, 3, 1), (2, 3, 1),
    ]  # fmt: skip
    alike, turned, _ = pairs
    assert alike.rate and alike.kappa and turned.rate and turned.kappa
    # Both tie the same pair: no comparison, but κ counts it.
    assert (alike.rate.estimate, alike.comparisons, alike.kappa.estimate) == (1.0, 5, 1.0)
    assert turned.rate.estimate == 0


def test_a_flag_that_nobody_sets_is_agreed_on_and_tells_nothing() -> None:
    sets = [("harmful",), (), ()]
    tasks = [task(said(1, flags=sets), said(2, flags=sets)), task(said(1, flags=sets), said(2))]
    harmful, never = flag_agreement(tasks, ["never", "harmful"])
    assert (never.flag, never.alpha, never.share) == ("never", None, 0.0)
    assert never.rate and never.rate.estimate == 1
    assert harmful.rate and harmful.rate.estimate == pytest.approx(5 / 6)
    assert (harmful.share, harmful.judgments) == (0.25, 12)
    # By hand: 12 values, 3 set; Do = 2/12, De = 2·3·9 / (12·11).
    assert harmful.alpha and harmful.alpha.estimate == pytest.approx(1 - (2 / 12) / (54 / 132))


def test_whoever_contradicts_themselves_comes_first() -> None:
    found = with_themselves({1: [[ORDER, ORDER]], 2: [[ORDER, TURNED], [ORDER, ORDER]]})
    assert list(found) == [2, 1]
    assert found[2].rate and found[2].rate.estimate == 0.5


@pytest.fixture
def rank(api: Call, claim: Call) -> Call:
    """`rank(ada, [2, 0, 1])`: rank the next task, its completions' positions from the best."""

    def make(user: User, order: list[int], flags: tuple[str, ...] = ()) -> None:
        held = claim(user)
        ids = sorted((one["id"] for one in held["completions"]), key=int)
        ratings = {pk: {"overall": 4, "flags": list(flags)} for pk in ids}
        body = {"ranking": [[ids[at]] for at in order], "ratings": ratings, "active_seconds": 30}
        answer = api(user, f"assignments/{held['id']}/submit/", body)
        assert answer.status_code == 200, answer.content

    return make


def test_what_is_read_is_what_was_said(ada: User, ben: User, make_task: Call, rank: Call) -> None:
    make_task(k=3, overlap=2, use_case="rewrite", language="de")
    make_task(k=3)
    rank(ada, [0, 1, 2], ("hallucination",))
    rank(ben, [0, 2, 1])
    [found] = overlaps()
    assert (found.use_case, found.language) == ("rewrite", "de")
    assert [(one.labeler, tuple(one.ranks)) for one in found.said] == [
        (ada.pk, (1, 2, 3)), (ben.pk, (1, 3, 2)),
    ]  # fmt: skip
    assert found.said[0].flags[2] == {"hallucination"} and not found.said[1].flags[2]
    assert overlaps(most=0) == []


def test_a_repeat_is_the_same_prompt_with_the_same_texts(
    ada: User, ben: User, make_task: Call, rank: Call, make_prompt: Call
) -> None:
    prompt = make_prompt("Again?")
    tasks = [make_task(k=3, prompt=prompt) for _ in range(2)]
    other = make_task(k=3, prompt=prompt)
    for one in Completion.objects.filter(task=other):
        Completion.objects.filter(pk=one.pk).update(text=f"Another {one.position}.")
    for order in ([0, 1, 2], [2, 1, 0], [0, 1, 2]):
        rank(ada, order)
    # The third has other texts, so that nothing is common to all three.
    assert repeats() == {}
    Ranking.objects.filter(task=other).update(excluded_at="2026-03-04T00:00Z")
    assert repeats() == {ada.pk: [[[1, 2, 3], [3, 2, 1]]]}
    assert {one.pk for one in tasks} == set(
        Ranking.objects.filter(excluded_at=None).values_list("task", flat=True)
    )


def test_the_api_takes_it_apart_under_pseudonyms(
    ada: User, ben: User, rosa: User, make_task: Call, rank: Call, client_of: Call
) -> None:
    make_task(k=3, overlap=2, use_case="rewrite")
    rank(ada, [0, 1, 2], ("hallucination",))
    rank(ben, [0, 2, 1])
    read = client_of(rosa).get
    found = read("/api/v1/agreement/?by=use_case").json()
    assert found["tau"]["value"] == pytest.approx(1 / 3)
    [part] = found["parts"]
    assert (part["name"], part["comparisons"], part["rate"]["value"]) == (
        "rewrite", 3, pytest.approx(2 / 3),
    )  # fmt: skip
    [pair] = read("/api/v1/agreement/pairs/").json()
    assert all(name.startswith("labeler-") for name in pair["labelers"])
    flags = {flag["flag"]: flag for flag in read("/api/v1/agreement/flags/").json()}
    assert flags == {} or flags["hallucination"]["rate"]["value"] == 0
    assert read("/api/v1/agreement/oneself/").json() == []
    for query, field in (("by=mood", "by"), ("colour=red", "colour")):
        refused = read(f"/api/v1/agreement/?{query}")
        assert refused.status_code == 400 and field in refused.json()["errors"]
    for path in ("", "pairs/", "flags/", "oneself/"):
        assert client_of(ada).get(f"/api/v1/agreement/{path}").status_code == 403


def test_the_page_shows_it_and_says_what_to_do_without_it(
    ada: User, ben: User, rosa: User, make_task: Call, rank: Call, client_of: Call
) -> None:
    path = "/admin/labeling/labelerprofile/agreement/"
    assert "Nothing overlaps yet" in client_of(rosa).get(path).content.decode()
    make_task(k=3, overlap=2, use_case="rewrite")
    rank(ada, [0, 1, 2])
    rank(ben, [0, 2, 1])
    page = client_of(rosa).get(path).content.decode()
    assert "66.7 %" in page and "Rewrite" in page and ">ada<" in page
    assert "By group" in client_of(rosa).get(f"{path}?by=group").content.decode()
    assert client_of(ada).get(path).status_code != 200


def test_as_many_statements_for_many_tasks_as_for_one(
    ada: User, ben: User, make_task: Call, rank: Call, django_assert_num_queries: Call
) -> None:
    for _ in range(3):
        make_task(k=3, overlap=2)
    for user in (ada, ben) * 3:
        rank(user, [0, 1, 2])
    assert RankedCompletion.objects.count() == 18 and Prompt.objects.count() == 3
    assert LabelingTask.objects.count() == 3
    with django_assert_num_queries(3):
        assert len(overlaps()) == 3
