"""Gates before a promotion: met or not by figures, overridden with a reason, and the way back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import AuditEntry, User
from core.problems import Problem
from labeling.models import HeadToHead, LabelingTask
from models_service.models import ModelVersion, Promotion
from models_service.selectors import promoted
from trainer.data.model_card import model_card
from trainer.evaluation.promotion_gates import gates_of, waiting_tasks
from trainer.models import Evaluation, TrainingRound, TrainingRun
from trainer.rounds.promotion import promote, roll_back

pytestmark = pytest.mark.django_db
Call = Callable[..., Any]


def interval(value: float, low: float, high: float) -> dict[str, float]:
    return {"value": value, "low": low, "high": high, "n": 80}


GOOD = {
    "win_rate": interval(0.62, 0.54, 0.7),
    "flag_hallucination_rise": interval(-0.02, -0.08, 0.04),
    "flag_satisfies_constraint_rise": interval(0.2, 0.1, 0.3),
}
KL = {"kl": interval(6.0, 5.0, 7.0)}


@pytest.fixture
def policy(base: ModelVersion) -> ModelVersion:
    """A version with weights that could follow the promoted tiny model."""
    return ModelVersion.objects.create(
        name="tuned", kind="policy", checkpoint=base.checkpoint, parent=base
    )


@pytest.fixture
def judged(base: ModelVersion, policy: ModelVersion) -> Call:
    def make(figures: dict[str, Any], judge: str = "labelers") -> Evaluation:
        return Evaluation.objects.create(
            version=policy, baseline=base, judge=judge, split="test", figures=figures
        )

    return make


def met(version: ModelVersion) -> dict[str, bool]:
    return {gate.name: gate.met for gate in gates_of(version)}


def test_nothing_measured_meets_nothing(policy: ModelVersion) -> None:
    assert met(policy) == {"win_rate": False, "kl": False, "flags": False, "erasure": True}


def test_each_gate_reads_its_own_figures(policy: ModelVersion, judged: Call) -> None:
    judged(KL, "reward")
    judged(GOOD)
    assert met(policy) == {"win_rate": True, "kl": True, "flags": True, "erasure": True}
    judged(GOOD | {"win_rate": interval(0.58, 0.49, 0.67)})
    judged(KL | {"kl": interval(18.0, 15.0, 21.0)}, "reward")
    assert met(policy) == {"win_rate": False, "kl": False, "flags": True, "erasure": True}
    judged(GOOD | {"flag_hallucination_rise": interval(0.08, 0.01, 0.15)})
    text = {gate.name: gate.text for gate in gates_of(policy)}
    assert met(policy)["flags"] is False
    assert text["flags"].startswith("Hallucination +8.0 points (1.0 to 15.0)")


def test_divergence_is_from_the_model_it_learned_from(policy: ModelVersion, judged: Call) -> None:
    judged(KL, "reward")
    other = ModelVersion.objects.create(name="other", kind="base", checkpoint="other")
    Evaluation.objects.create(
        version=policy,
        baseline=other,
        judge="reward",
        split="test",
        figures={"kl": interval(90, 80, 99)},
    )
    assert met(policy)["kl"]


def test_people_are_heard_before_the_reward_model(policy: ModelVersion, judged: Call) -> None:
    judged({"win_rate": interval(0.9, 0.85, 0.95)}, "reward")
    [gate, *_] = gates_of(policy)
    assert gate.met and "flatters" in gate.text
    judged({"win_rate": interval(0.5, 0.4, 0.6)}, "held_out")
    assert not gates_of(policy)[0].met
    judged(GOOD)
    judged({"win_rate": interval(0.5, 0.4, 0.6)}, "held_out")
    assert gates_of(policy)[0].met


def test_an_unmet_gate_wants_a_reason_which_is_kept(
    policy: ModelVersion, judged: Call, rosa: User
) -> None:
    judged(GOOD)
    with pytest.raises(Problem) as caught:
        promote(role="policy", version=policy, by=rosa, reason=" ")
    assert list(caught.value.errors or {}) == ["reason"]
    assert [gate["name"] for gate in caught.value.extra["gates"]] == ["kl"]
    assert promoted("policy") != policy

    made = promote(role="policy", version=policy, by=rosa, reason="A trial.")
    assert [(gate["name"], gate["met"]) for gate in made.evidence] == [
        ("win_rate", True),
        ("kl", False),
        ("flags", True),
        ("erasure", True),
    ]
    detail = AuditEntry.objects.filter(act="version_promoted").order_by("-pk")[0].detail
    assert (detail["reason"], detail["overridden"]) == ("A trial.", ["kl"])


def test_met_gates_want_none(policy: ModelVersion, judged: Call, rosa: User) -> None:
    judged(GOOD | KL)
    assert promote(role="policy", version=policy, by=rosa).reason == ""


def test_going_back_needs_no_evidence(base: ModelVersion, policy: ModelVersion, rosa: User) -> None:
    with pytest.raises(Problem, match="no way back"):
        roll_back(by=rosa)
    promote(role="policy", version=policy, by=rosa, reason="A trial.")
    assert roll_back(by=rosa).reason == "Rolled back from tuned."
    assert promoted("policy") == base
    roll_back(by=rosa)
    assert promoted("policy") == policy
    assert Promotion.objects.filter(role="policy").count() == 4


def test_the_reward_model_stays_until_it_is_rolled_back_itself(
    base: ModelVersion, policy: ModelVersion, reward: ModelVersion, rosa: User, client_of: Any
) -> None:
    newer = ModelVersion.objects.create(name="newer", kind="reward", checkpoint="judge")
    promote(role="reward", version=newer)
    promote(role="policy", version=policy, reason="A trial.")
    roll_back(by=rosa)
    assert (promoted("policy"), promoted("reward")) == (base, newer)
    page = client_of(rosa).get(f"/admin/trainer/evaluation/versions/{base.pk}/promote/")
    assert "Roll back to tuned" in page.text
    assert "Roll back the reward model to judge" in page.text
    assert client_of(rosa).post("/api/v1/roles/reward/roll-back/").status_code == 200
    assert promoted("reward") == reward


@pytest.mark.parametrize(("rule", "expire"), [("expire", 3), ("keep", 0), ("mix", None)])
def test_what_becomes_of_waiting_tasks_is_said_before(
    labels: Any, policy: ModelVersion, settings: Any, rule: str, expire: int | None
) -> None:
    settings.RETIRED_TASKS = rule
    for _ in range(3):
        labels.ranking()
    told = waiting_tasks(policy)
    assert (told["rule"], told["waiting"]) == (rule, 3)
    assert told["expire"] == expire or (expire is None and told["expire"] in (1, 2))
    before = LabelingTask.objects.filter(state="open").count()
    promote(role="policy", version=policy, reason="A trial.")
    after = LabelingTask.objects.filter(state="open").count()
    assert before - after == told["expire"]


def test_gates_and_the_way_back_over_http(
    base: ModelVersion, policy: ModelVersion, judged: Call, rosa: User, ada: User, client_of: Call
) -> None:
    judged(GOOD)
    client = client_of(rosa)
    told = client.get(f"/api/v1/versions/{policy.pk}/gates/").json()
    assert told["applies"] and [gate["met"] for gate in told["gates"]] == [True, False, True, True]
    url = f"/api/v1/versions/{policy.pk}/promote/"
    refused = client.post(url, {"reason": ""}, content_type="application/json")
    assert refused.status_code == 409 and refused.json()["gates"][0]["name"] == "kl"
    assert client.post(url, {"reason": "Go."}, content_type="application/json").status_code == 200
    assert client.post("/api/v1/roles/policy/roll-back/").json()["name"] == base.name
    assert client.post("/api/v1/roles/king/roll-back/").status_code == 404
    assert client_of(ada).post("/api/v1/roles/policy/roll-back/").status_code == 403


def test_a_head_to_head_is_evidence_once_for_each_judge(
    base: ModelVersion, policy: ModelVersion
) -> None:
    contest = HeadToHead.objects.create(
        ladder=[base.pk, policy.pk], baseline=base, split="test", prompts=1
    )
    values = {"head_to_head": contest, "version": policy, "judge": "labelers", "split": "test"}
    Evaluation.objects.create(**values, figures=GOOD)
    with pytest.raises(Exception, match="evaluation_once_per_judge"):
        Evaluation.objects.create(**values, figures=GOOD)


def test_who_learned_from_erased_text_is_marked_wherever_it_is_shown(
    policy: ModelVersion, judged: Call, rosa: User, client_of: Call
) -> None:
    judged(GOOD | KL)
    policy.learned_from_erased_at = datetime(2026, 11, 3, tzinfo=UTC)
    policy.save()
    with pytest.raises(Problem) as caught:
        promote(role="policy", version=policy, by=rosa, reason="")
    assert [gate["name"] for gate in caught.value.extra["gates"]] == ["erasure"]
    assert "erased on 2026-11-03" in model_card(policy)
    client = client_of(rosa)
    versions = {one["id"]: one for one in client.get("/api/v1/versions/").json()}
    assert versions[policy.pk]["learned_from_erased_at"].startswith("2026-11-03")
    page = "/admin/models_service/modelversion/"
    assert "since 2026-11-03" in client.get(page).content.decode()
    assert "Train again without" in client.get(f"{page}{policy.pk}/change/").content.decode()
    assert (
        "Train again without"
        not in client.get(f"{page}{policy.parent_id}/change/").content.decode()
    )
    found = client.get(f"/admin/trainer/evaluation/versions/{policy.pk}/promote/").content.decode()
    assert "Train again without it" in found


def test_training_again_without_fills_in_the_form_of_its_round(
    policy: ModelVersion, rosa: User, client_of: Call
) -> None:
    round = TrainingRound.objects.create(
        preset="tiny", recipe={"stages": ["ppo"]}, start=policy.parent
    )
    TrainingRun.objects.create(round=round, stage="ppo", seed=1, output=policy)
    policy.learned_from_erased_at = timezone.now()
    policy.save()
    answer = client_of(rosa).get(f"/admin/trainer/evaluation/versions/{policy.pk}/again/")
    assert answer.url == f"/admin/trainer/traininground/add/?round={round.pk}"
