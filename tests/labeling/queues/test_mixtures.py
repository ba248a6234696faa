"""Tasks answered by several versions, remote ones too, and what their faults leave behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from core.problems import Problem
from labeling.models import Completion, LabelingTask, Queue, Slot
from labeling.queues import queues, sampling
from labeling.queues.mixtures import check, settled
from models_service.models import ModelVersion, Promotion
from models_service.services import adopt_base, promote, register_prompted
from tests.models_service.remote import completion_server, remote

__all__ = ["completion_server", "remote"]

Call = Callable[..., Any]


@pytest.fixture
def tiny(db: None, settings: Any) -> ModelVersion:
    """The tiny model as the promoted policy, answering in few tokens."""
    settings.LABELING = settings.LABELING | {"max_new_tokens": 6}
    return adopt_base("tiny")


@pytest.fixture
def mixed(tiny: ModelVersion, make_prompt: Call) -> Call:
    """`mixed({"policy": 1}, tasks=2)`: a ranking queue of that mixture with tasks waiting."""

    def make(mixture: dict[str, float], *, tasks: int = 2) -> Queue:
        for n in range(tasks):
            make_prompt(f"Say {n}")
        queue = Queue.objects.create(
            kind="ranking", purpose="training", ready=tasks, mixture=mixture
        )
        queues.refill()
        return queue

    return make


def shares(task: LabelingTask) -> dict[str, int]:
    names = task.completions.values_list("version__name", flat=True)
    return {name: list(names).count(name) for name in names}


def test_completions_come_by_weight_from_policy_prompted_base_and_remote(
    tiny: ModelVersion, remote: Call, mixed: Call
) -> None:
    prompted = register_prompted(name="prompted", version=tiny, prefix="Answer briefly.")
    mixed({"policy": 2, prompted.name: 1, remote().name: 1})
    sampling.sample_waiting()
    for task in LabelingTask.objects.all():
        assert task.state == "open"
        assert shares(task) == {tiny.name: 2, "prompted": 1, "remote ok": 1}
        assert task.policy == tiny
    said = Completion.objects.get(task=task, version__engine="openai")
    assert said.sampling["engine_version"] == "openai 127.0.0.1 ok fp_1"
    assert said.logprob is not None


def test_a_role_means_who_plays_it_when_the_task_is_sampled(
    tiny: ModelVersion, mixed: Call
) -> None:
    mixed({"policy": 1, "sft": 1})
    newer = register_prompted(name="newer", version=tiny, prefix="Briefly.")
    promote(role=Promotion.Role.POLICY, version=newer)
    sampling.sample_waiting()
    assert shares(LabelingTask.objects.first()) == {"newer": 4}
    promote(role=Promotion.Role.SFT, version=tiny)
    assert settled({"policy": 3, "sft": 1}) == {str(newer.pk): 3, str(tiny.pk): 1}


def test_a_mixed_task_expires_with_its_policy(tiny: ModelVersion, mixed: Call) -> None:
    mixed({"policy": 1, tiny.name: 1}, tasks=3)
    sampling.sample_waiting()
    assert queues.retire_policy_tasks(tiny) == 3


@pytest.mark.parametrize(("setting", "left"), [("expire", 0), ("keep", 6), ("mix", 3)])
def test_what_a_promotion_leaves_is_a_setting(
    version: ModelVersion, make_task: Call, settings: Any, setting: str, left: int
) -> None:
    settings.RETIRED_TASKS = setting
    for _ in range(6):
        make_task()
    for _ in range(2):  # refill asks every few seconds
        queues.retire_policy_tasks(version)
        assert LabelingTask.objects.filter(state="open").count() == left
        assert Slot.objects.filter(state="free").count() == left


def test_a_dead_server_holds_up_its_own_tasks_alone(
    tiny: ModelVersion, remote: Call, make_prompt: Call
) -> None:
    dead = remote("html")
    stuck, good = (
        LabelingTask.objects.create(
            kind="ranking",
            state="sampling",
            prompt=make_prompt(text),
            completions_wanted=4,
            mixture=mixture,
        )
        for text, mixture in (("One", {str(tiny.pk): 1, str(dead.pk): 1}), ("Two", {}))
    )
    assert sampling.sample_waiting() == 2
    stuck.refresh_from_db(), good.refresh_from_db()
    assert (stuck.state, good.state) == ("sampling", "open")
    assert "answers with a web page" in stuck.failure
    assert not stuck.completions.exists()


@pytest.mark.parametrize("fault", ["half", "nothing", "huge", "locked", "cut_off"])
def test_a_fault_stores_nothing_and_the_task_waits(
    remote: Call, make_prompt: Call, fault: str
) -> None:
    promote(role=Promotion.Role.POLICY, version=remote(fault))
    task = LabelingTask.objects.create(
        kind="ranking", state="sampling", prompt=make_prompt("One"), completions_wanted=4
    )
    sampling.sample_waiting()
    task.refresh_from_db()
    assert (task.state, task.completions.count(), task.slots.count()) == ("sampling", 0, 0)
    assert task.failure


def test_a_prompt_too_long_for_a_remote_model_breaks_its_task_alone(
    remote: Call, make_prompt: Call
) -> None:
    promote(role=Promotion.Role.POLICY, version=remote("too_long"))
    long, short = (
        LabelingTask.objects.create(
            kind="ranking", state="sampling", prompt=make_prompt(text), completions_wanted=4
        )
        for text in ("A long one", "A short one")
    )
    for _ in range(2):
        sampling.sample_waiting()
    long.refresh_from_db(), short.refresh_from_db()
    assert (long.state, short.state) == ("broken", "open")
    assert "maximum context length" in long.failure


@pytest.mark.parametrize("fault", ["small", "unknown", "cold", "runs_dry"])
def test_what_a_setting_or_an_account_lacks_breaks_no_task(
    remote: Call, make_prompt: Call, fault: str
) -> None:
    promote(role=Promotion.Role.POLICY, version=remote(fault, concurrency=1))
    for text in ("One", "Two", "Three"):
        LabelingTask.objects.create(
            kind="ranking", state="sampling", prompt=make_prompt(text), completions_wanted=4
        )
    sampling.sample_waiting()
    states = list(LabelingTask.objects.order_by("pk").values_list("state", "failure"))
    assert "broken" not in dict(states)
    assert states[2][0] == "sampling"
    assert states[2][1]


def test_a_prompt_that_is_only_thought_about_waits_alone(remote: Call, make_prompt: Call) -> None:
    promote(role=Promotion.Role.POLICY, version=remote("as_told"))
    message = {"content": None, "reasoning_content": "Hm."}
    thinking, plain = (
        LabelingTask.objects.create(
            kind="ranking", state="sampling", prompt=make_prompt(text), completions_wanted=4
        )
        for text in (json.dumps({"message": message, "finish_reason": "length"}), "Why?")
    )
    sampling.sample_waiting()
    thinking.refresh_from_db(), plain.refresh_from_db()
    assert (thinking.state, plain.state) == ("sampling", "open")
    assert "used up the limit on tokens in thinking" in thinking.failure
    assert not Completion.objects.filter(text="").exists()


def test_a_prompt_that_the_model_refuses_breaks_with_its_words(
    remote: Call, make_prompt: Call
) -> None:
    promote(role=Promotion.Role.POLICY, version=remote("as_told"))
    message = {"content": None, "refusal": "I cannot help with that."}
    task = LabelingTask.objects.create(
        kind="ranking",
        state="sampling",
        completions_wanted=4,
        prompt=make_prompt(json.dumps({"message": message, "finish_reason": "stop"})),
    )
    sampling.sample_waiting()
    task.refresh_from_db()
    assert task.state == "broken"
    assert "I cannot help with that." in task.failure


def test_a_text_with_a_nul_is_stored_without_it(remote: Call, make_prompt: Call) -> None:
    promote(role=Promotion.Role.POLICY, version=remote("odd_text"))
    LabelingTask.objects.create(
        kind="ranking",
        purpose="evaluation",
        state="sampling",
        prompt=make_prompt("One"),
        completions_wanted=1,
    )
    sampling.sample_waiting()
    assert Completion.objects.get().text == "half a pair �, NUL �"


@pytest.mark.parametrize(
    ("mixture", "sentence"),
    [
        ({"policy": 0}, "must be above 0"),
        ({"policy": "many"}, "must be a number"),
        ({"policy": float("nan")}, "must be above 0"),
        ({"nobody": 1}, "nobody is neither policy, sft nor a version"),
    ],
)
def test_a_wrong_mixture_is_refused(db: None, mixture: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Problem, match=sentence):
        check(mixture, kind="ranking")


def test_the_desk_sets_a_mixture_and_refuses_a_wrong_one(
    rosa: User, client_of: Call, version: ModelVersion
) -> None:
    queue = Queue.objects.create(kind="ranking", purpose="training")
    page = f"/admin/labeling/queue/{queue.pk}/change/"
    values = {"ready": 3, "overlap": 1, "completions": 4}
    client = client_of(rosa)

    def rows(*pairs: tuple[str, str]) -> dict[str, list[str]]:
        return {
            "mixture-name": [name for name, _ in pairs],
            "mixture-weight": [weight for _, weight in pairs],
        }

    refused = client.post(page, values | rows(("nobody", "1"))).content.decode()
    assert "nobody is neither policy, sft nor a version" in refused
    for wrong, says in {
        (("policy", ""),): "Row 1 has a name alone",
        (("policy", "1"), ("policy", "2")): "policy stands in two rows",
        (("policy", "many"),): "must be a number",
    }.items():
        assert says in client.post(page, values | rows(*wrong)).content.decode()
    assert not Queue.objects.get().mixture
    mixture = rows(("policy", "2"), ("", ""), (version.name, "0.5"))
    assert client.post(page, values | mixture).status_code == 302
    assert Queue.objects.get().mixture == {"policy": 2, version.name: 0.5}
    shown = client.get(page).content.decode()
    assert 'value="0.5"' in shown and 'name="mixture"' not in shown
    assert client.post(page, values | rows(("", ""))).status_code == 302
    assert Queue.objects.get().mixture == {}
