"""Reviewing labels: comments, sending back, exclusion and its undoing, adjudication."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accounts.audit import Act
from accounts.models import AuditEntry, User
from labeling.exports.training_rows import training_demonstrations, training_rankings
from labeling.models import Assignment, Demonstration, LabelingTask, Ranking, Review, Slot
from labeling.people.agreement_reads import agreement_of_all
from labeling.review.review_reads import feedback
from labeling.review.reviews import mark_seen
from labeling.work.leases import expire_leases

Call = Callable[..., Any]


@pytest.fixture
def demonstrated(ada: User, make_task: Call, claim: Call, api: Call) -> Demonstration:
    """Ada's demonstration."""
    make_task("demonstration")
    held = claim(ada, "demonstration")
    api(ada, f"assignments/{held['id']}/submit/", {"text": "So it is.", "active_seconds": 9})
    return Demonstration.objects.get()


@pytest.fixture
def ranked(ada: User, ben: User, make_task: Call, claim: Call, api: Call) -> list[Ranking]:
    """One task ranked by Ada from the first to the last completion, and by Ben the other way."""
    task = make_task(overlap=2)
    ids = [str(one.pk) for one in task.completions.order_by("position")]
    for labeler, order in ((ada, ids), (ben, ids[::-1])):
        held = claim(labeler)
        body = {
            "ranking": [[item] for item in order],
            "ratings": {item: {"overall": 7 - place} for place, item in enumerate(order)},
        }
        assert api(labeler, f"assignments/{held['id']}/submit/", body).status_code == 200
    return list(Ranking.objects.order_by("pk"))


def test_a_comment_reaches_the_labeler_once(
    rosa: User, ada: User, ben: User, demonstrated: Demonstration, api: Call
) -> None:
    path = f"demonstrations/{demonstrated.pk}/comment/"
    assert api(rosa, path, {"text": " "}).status_code == 400
    assert api(rosa, path, {"text": "Well put."}).json()["counts"] is True
    [said] = feedback(ada)
    assert (said.text, said.by, said.kind) == ("Well put.", rosa, Review.Kind.COMMENT)
    assert not feedback(ben).exists()
    assert (mark_seen(labeler=ada), mark_seen(labeler=ada)) == (1, 0)
    assert not feedback(ada, unseen=True).exists()


@pytest.mark.parametrize("act", ["comment", "send-back", "exclude", "restore"])
def test_labelers_review_nothing(
    ada: User, demonstrated: Demonstration, api: Call, act: str
) -> None:
    body = {"text": "x", "reason": "x"}
    assert api(ada, f"demonstrations/{demonstrated.pk}/{act}/", body).status_code == 403


def test_a_label_sent_back_is_the_labeler_s_next_task_with_the_text_as_draft(
    rosa: User,
    ada: User,
    ben: User,
    demonstrated: Demonstration,
    make_task: Call,
    claim: Call,
    api: Call,
) -> None:
    make_task("demonstration")
    path = f"demonstrations/{demonstrated.pk}/"
    assert api(rosa, f"{path}send-back/", {"text": "Name a source."}).json()["counts"] is False
    assert api(rosa, f"{path}send-back/", {"text": "Again."}).status_code == 409
    assert claim(ben, "demonstration")["id"] != demonstrated.assignment_id
    again = claim(ada, "demonstration")
    assert (again["id"], again["draft"]["text"]) == (demonstrated.assignment_id, "So it is.")
    assert feedback(ada).get().text == "Name a source."
    body = {"text": "So it is, says Newton."}
    assert api(ada, f"assignments/{again['id']}/submit/", body).status_code == 200
    demonstrated.refresh_from_db()
    assert demonstrated.excluded_by == rosa
    assert demonstrated.superseded_by.text == "So it is, says Newton."
    assert [row["response"] for row in training_demonstrations()] == ["So it is, says Newton."]
    assert api(rosa, f"{path}restore/", {}).status_code == 409


def test_the_lease_of_a_label_sent_back_is_never_shortened(
    rosa: User, ada: User, demonstrated: Demonstration, claim: Call, api: Call
) -> None:
    api(rosa, f"demonstrations/{demonstrated.pk}/send-back/", {"text": "Name a source."})
    end = Assignment.objects.get().lease_expires_at
    claim(ada, "demonstration")
    assert Assignment.objects.get().lease_expires_at == end == Slot.objects.get().lease_expires_at


def test_sending_back_is_undone(
    rosa: User, ada: User, ben: User, demonstrated: Demonstration, api: Call, run_out: Call
) -> None:
    path = f"demonstrations/{demonstrated.pk}/"
    for lapses in (False, True):
        api(rosa, f"{path}send-back/", {"text": "Name a source."})
        if lapses:
            run_out(demonstrated.assignment_id)
            expire_leases()
        assert api(rosa, f"{path}restore/", {}).json()["counts"] is True
        assert Assignment.objects.get().state == Assignment.State.SUBMITTED
        slot = Slot.objects.get()
        assert (slot.state, slot.labeler, slot.lease_expires_at) == ("filled", ada, None)
    api(rosa, f"{path}send-back/", {"text": "Name a source."})
    run_out(demonstrated.assignment_id)
    expire_leases()
    assert api(ben, "assignments/claim/", {"kinds": ["demonstration"]}).status_code == 200
    assert api(rosa, f"{path}restore/", {}).status_code == 409


def test_an_excluded_label_stays_but_enters_no_training_data(
    rosa: User, ranked: list[Ranking], demonstrated: Demonstration, api: Call
) -> None:
    assert len(list(training_rankings())) == 2
    for kind, label in (("rankings", ranked[0]), ("demonstrations", demonstrated)):
        path = f"{kind}/{label.pk}/exclude/"
        assert api(rosa, path, {"reason": ""}).status_code == 400
        assert api(rosa, path, {"reason": "Off topic."}).json()["counts"] is False
        assert api(rosa, path, {"reason": "Off topic."}).status_code == 409
        label.refresh_from_db()
        assert (label.excluded_by, label.excluded_reason) == (rosa, "Off topic.")
    assert [row["id"] for row in training_rankings()] == [str(ranked[1].pk)]
    assert list(training_demonstrations()) == []
    assert api(rosa, f"rankings/{ranked[0].pk}/restore/", {}).json()["counts"] is True
    assert len(list(training_rankings())) == 2
    assert set(AuditEntry.objects.filter(by=rosa).values_list("act", flat=True)) == {
        Act.LABEL_EXCLUDED,
        Act.LABEL_RESTORED,
    }


def test_a_task_knows_how_far_its_rankings_disagree(
    rosa: User, ranked: list[Ranking], api: Call
) -> None:
    task = LabelingTask.objects.get()
    assert task.disagreement == 1
    api(rosa, f"rankings/{ranked[0].pk}/exclude/", {"reason": "Spam."})
    task.refresh_from_db()
    assert task.disagreement is None
    api(rosa, f"rankings/{ranked[0].pk}/restore/", {})
    task.refresh_from_db()
    assert task.disagreement == 1


def test_one_ranking_is_chosen_for_the_others_and_the_agreement_of_labelers_stays(
    rosa: User, ranked: list[Ranking], api: Call
) -> None:
    path = f"tasks/{ranked[0].task_id}/adjudicate/"
    assert api(rosa, path, {}).status_code == 400
    assert api(rosa, path, {"ranking": ranked[1].pk}).json() == {"ranking": ranked[1].pk}
    ranked[0].refresh_from_db()
    assert (ranked[0].adjudicated_by, ranked[0].excluded_by) == (ranked[1], rosa)
    assert [row["id"] for row in training_rankings()] == [str(ranked[1].pk)]
    assert (agreement_of_all().agreed, agreement_of_all().total) == (0, 6)
    assert api(rosa, path, {"ranking": ranked[1].pk}).status_code == 409
    api(rosa, f"rankings/{ranked[0].pk}/restore/", {})
    assert len(list(training_rankings())) == 2


def test_an_adjudicated_ranking_is_written(rosa: User, ranked: list[Ranking], api: Call) -> None:
    path = f"tasks/{ranked[0].task_id}/adjudicate/"
    ids = sorted(ranked[0].display_order)
    assert api(rosa, path, {"tiers": [ids[:2]]}).status_code == 400
    made = api(rosa, path, {"tiers": [[ids[2]], ids[:2], [ids[3]]]}).json()["ranking"]
    [row] = training_rankings()
    assert (row["id"], row["ranks"]) == (str(made), [2, 2, 1, 3])
    assert Ranking.objects.get(pk=made).labeler == rosa
    assert set(Ranking.objects.get(pk=made).ranked.values_list("overall", flat=True)) <= {5, 6, 7}
    assert agreement_of_all().total == 6


def test_the_agreement_of_labelers_can_be_read(
    rosa: User, ada: User, ranked: list[Ranking], client_of: Call
) -> None:
    found = client_of(rosa).get("/api/v1/agreement/").json()
    assert found["rate"] == {"value": 0.0, "low": 0.0, "high": 1.0}  # of one task
    assert found["alpha"]["value"] < 0
    assert (found["comparisons"], found["tasks"], found["paper"]) == (6, 1, 0.726)
    assert client_of(ada).get("/api/v1/agreement/").status_code == 403
