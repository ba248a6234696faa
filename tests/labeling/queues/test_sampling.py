"""Sampling completions with the tiny model, and what a dead worker leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from labeling.models import Completion, LabelingTask, Prompt, Queue, Slot
from labeling.queues import completions, sampling
from labeling.queues.completions import Drawn, Pick, draw
from labeling.queues.sampling_settings import SamplingSettings, training_limit
from labeling.queues.shares import apportioned
from models_service.engines import engine_for
from models_service.engines.base import Answer, EngineError
from models_service.models import ModelVersion
from models_service.services import adopt_base, ensure_base, promote, register_prompted

Call = Callable[..., Any]


@pytest.fixture
def tiny(db: None, settings: Any) -> ModelVersion:
    """The tiny model as the promoted policy, answering in few tokens."""
    settings.LABELING = settings.LABELING | {"max_new_tokens": 6}
    return adopt_base("tiny")


@pytest.fixture
def waiting(make_prompt: Call) -> Call:
    """`waiting(3, mixture={})`: ranking tasks that wait for their completions."""

    def make(count: int = 1, k: int = 4, **fields: Any) -> list[LabelingTask]:
        return [
            LabelingTask.objects.create(
                kind="ranking",
                state="sampling",
                prompt=make_prompt(f"Say {n}"),
                completions_wanted=k,
                seed=n,
                **fields,
            )
            for n in range(count)
        ]

    return make


def test_it_opens_tasks_with_k_different_completions(tiny: ModelVersion, waiting: Call) -> None:
    Queue.objects.create(kind="ranking", purpose="training", overlap=2)
    waiting(3, k=5)
    assert sampling.sample_waiting() == 3
    for task in LabelingTask.objects.all():
        assert (task.state, task.policy, task.slots.count()) == ("open", tiny, 2)
        texts = list(task.completions.values_list("text", flat=True))
        assert len(set(texts)) == 5
        assert all(texts)
    completion = Completion.objects.first()
    assert completion.version == tiny
    version = completion.sampling.pop("engine_version")
    assert completion.sampling == {"temperature": 1.0, "max_new_tokens": 6, "engine": "local"}
    assert version.startswith("torch ")


def test_a_completion_can_be_said_again_from_its_seed(tiny: ModelVersion, waiting: Call) -> None:
    from models_service.engines import engine_for
    from models_service.engines.base import Request

    waiting(3)
    sampling.sample_waiting()
    kept = Completion.objects.order_by("?").first()
    request = Request(kept.task.prompt.messages, 1, 6, 1.0, kept.seed)
    assert engine_for(tiny).sample([request])[0][0].text == kept.text


def test_it_waits_while_no_policy_is_promoted(waiting: Call) -> None:
    waiting()
    assert sampling.sample_waiting() == 0
    assert LabelingTask.objects.get().sampling_since is None


def test_a_task_is_claimed_by_one_worker(tiny: ModelVersion, waiting: Call) -> None:
    waiting()
    assert len(sampling.claim_for_sampling()) == 1
    assert sampling.claim_for_sampling() == []


def test_a_dead_workers_task_is_taken_over_once(tiny: ModelVersion, waiting: Call) -> None:
    waiting()
    [dead] = sampling.claim_for_sampling()
    old = timezone.now() - sampling.CLAIM_LASTS - timedelta(seconds=1)
    LabelingTask.objects.update(sampling_since=old)
    dead.sampling_since = old
    [living] = sampling.claim_for_sampling()
    drawn = draw([living])[living.pk]
    assert sampling.store_completions(task=living, drawn=drawn)
    assert not sampling.store_completions(task=dead, drawn=drawn)
    assert Completion.objects.count() == 4
    assert Slot.objects.count() == 1


def test_a_slow_workers_completions_count_when_they_come_first(
    tiny: ModelVersion, waiting: Call
) -> None:
    waiting()
    [slow] = sampling.claim_for_sampling()
    old = timezone.now() - sampling.CLAIM_LASTS - timedelta(seconds=1)
    LabelingTask.objects.update(sampling_since=old)
    newer = register_prompted(name="newer", version=tiny, prefix="Briefly.")
    promote(role="policy", version=newer)
    [quick] = sampling.claim_for_sampling()
    assert sampling.store_completions(task=slow, drawn=draw([slow])[slow.pk])
    assert not sampling.store_completions(task=quick, drawn=draw([quick])[quick.pk])
    assert LabelingTask.objects.get().policy == tiny
    assert set(Completion.objects.values_list("version", flat=True)) == {tiny.pk}


def test_a_prompt_longer_than_the_context_breaks_its_task_alone(
    tiny: ModelVersion, waiting: Call, make_prompt: Call
) -> None:
    long, good = waiting(2)
    long.prompt = make_prompt("far too long " * 2000)
    long.save()
    sampling.sample_waiting()
    long.refresh_from_db(), good.refresh_from_db()
    assert (long.state, good.state) == ("broken", "open")
    assert "tokens" in long.failure


def test_a_prompt_of_a_shape_that_the_template_refuses_breaks_its_task_alone(
    tiny: ModelVersion, waiting: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models_service.engines.local import models

    tokenizer = models.get(tiny).tokenizer
    refusing = "{{ raise_exception('System role not supported') }}"
    condition = "{% if messages[0]['role'] == 'system' %}" + refusing + "{% endif %}"
    monkeypatch.setattr(tokenizer, "chat_template", condition + tokenizer.chat_template)
    told, plain = waiting(2)
    told.prompt.messages = [{"role": "system", "content": "Be brief."}, *told.prompt.messages]
    told.prompt.save()
    sampling.sample_waiting()
    told.refresh_from_db(), plain.refresh_from_db()
    assert (told.state, plain.state) == ("broken", "open")
    assert "System role not supported" in told.failure


def test_tasks_of_a_model_that_cannot_answer_wait(
    tiny: ModelVersion, waiting: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting(2)
    ModelVersion.objects.update(checkpoint="gone")
    from models_service.engines.local import models

    models.clear()
    sampling.sample_waiting()
    for task in LabelingTask.objects.all():
        assert task.state == "sampling"
        assert "cannot be loaded" in task.failure
    assert sampling.claim_for_sampling() == []
    later = timezone.now() + sampling.RETRY_AFTER
    monkeypatch.setattr(sampling.timezone, "now", lambda: later)
    assert len(sampling.claim_for_sampling()) == 2


class Throwing:
    """Answers with the tiny model, but throws where a prompt says so, whoever shares the batch."""

    def __init__(self, version: ModelVersion, error: Exception) -> None:
        self.engine, self.error = engine_for(version), error

    def sample(self, requests: Any) -> list[list[Answer]]:
        if any("1" in request.messages[-1]["content"] for request in requests):
            raise self.error
        return self.engine.sample(requests)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (KeyError("rope"), "failed (KeyError: 'rope')"),
        (AssertionError(), "failed (AssertionError)"),
        (TypeError("one\0line\nof\ttwo"), "failed (TypeError: one line of two)"),
        (EngineError(""), "failed (EngineError)"),
    ],
)
def test_what_a_model_throws_is_its_tasks_reason(
    tiny: ModelVersion,
    waiting: Call,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    reason: str,
) -> None:
    monkeypatch.setattr(completions, "engine_for", lambda version: Throwing(version, error))
    waiting(2)
    assert sampling.sample_waiting() == 2
    thrown = LabelingTask.objects.get(seed=1)
    assert thrown.state == "sampling"
    assert reason in thrown.failure


def test_a_prompt_that_a_model_stumbles_over_holds_up_no_other(
    tiny: ModelVersion, waiting: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completions, "engine_for", lambda one: Throwing(one, IndexError()))
    waiting(5)
    sampling.sample_waiting()
    states = dict(LabelingTask.objects.values_list("seed", "state"))
    assert states == {0: "open", 1: "sampling", 2: "open", 3: "open", 4: "open"}


def test_a_template_that_stumbles_is_the_reason(
    tiny: ModelVersion, waiting: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models_service.engines.local import models

    stumbling = (
        "{% for turn in messages %}{{ turn.content }}"
        "{% if turn.content == 'Say 1' %}{{ 1 + turn.content }}{% endif %}{% endfor %}"
    )
    monkeypatch.setattr(models.get(tiny).tokenizer, "chat_template", stumbling)
    waiting(3)
    sampling.sample_waiting()
    states = dict(LabelingTask.objects.values_list("seed", "state"))
    assert states == {0: "open", 1: "broken", 2: "open"}
    assert "refuses it: unsupported operand" in LabelingTask.objects.get(seed=1).failure


def test_a_mixture_asks_each_version_for_its_share(
    tiny: ModelVersion, waiting: Call, tmp_path: Any
) -> None:
    from models_service.lm.tiny import write_tiny_checkpoint

    write_tiny_checkpoint(tmp_path / "other", seed=5)
    other = ensure_base(str(tmp_path / "other"))
    waiting(2, mixture={str(tiny.pk): 1, str(other.pk): 1})
    sampling.sample_waiting()
    for task in LabelingTask.objects.all():
        by_version = [task.completions.filter(version=one).count() for one in (tiny, other)]
        assert (task.policy, by_version) == (None, [2, 2])


def test_shares_follow_the_weights() -> None:
    assert apportioned({"a": 3, "b": 1}, 4) == {"a": 3, "b": 1}
    assert apportioned({"a": 1, "b": 1}, 5)["a"] in (2, 3)
    assert apportioned({}, 4) == {}


def test_a_queue_s_own_limit_and_temperature_hold_for_its_tasks(
    tiny: ModelVersion, waiting: Call
) -> None:
    assert training_limit() == 6
    Queue.objects.create(kind="ranking", purpose="training", max_new_tokens=3, temperature=0.5)
    assert training_limit() == 3
    waiting(2, k=2)
    assert sampling.sample_waiting() == 2
    for completion in Completion.objects.all():
        told = completion.sampling
        assert (told["max_new_tokens"], told["temperature"]) == (3, 0.5)
        assert completion.completion_tokens <= 3


def test_positions_do_not_tell_the_version() -> None:
    answer = Answer("x", "stop", 1, 1, None, 1)
    one, two = ModelVersion(pk=1), ModelVersion(pk=2)
    orders = set()
    for seed in range(12):
        picks = [Pick(version, answer, 0) for version in (one, one, two, two)]
        drawn = Drawn(SamplingSettings(6, 1.0), picks)
        rows = drawn.completions(LabelingTask(seed=seed))
        orders.add(tuple(row.version_id for row in rows))
    assert len(orders) > 1


@pytest.mark.django_db(transaction=True)
def test_two_workers_share_the_tasks(tiny: ModelVersion, waiting: Call) -> None:
    waiting(6)
    barrier = Barrier(2)

    def work(_: int) -> set[int]:
        barrier.wait()
        try:
            return {task.pk for task in sampling.claim_for_sampling(limit=3)}
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(work, range(2))
    assert not first & second
    assert len(first | second) == 6


@pytest.mark.parametrize("state", ["quarantined", "withdrawn"])
def test_a_prompt_that_was_taken_away_is_shown_to_no_model_and_no_labeler(
    tiny: ModelVersion, waiting: Call, state: str
) -> None:
    [early, late] = waiting(2)
    Prompt.objects.filter(pk=early.prompt_id).update(state=state)
    claimed = sampling.claim_for_sampling()
    assert claimed == [late]
    Prompt.objects.filter(pk=late.prompt_id).update(state=state)
    assert sampling.store_completions(task=claimed[0], drawn=draw(claimed)[late.pk])
    assert set(LabelingTask.objects.values_list("state", flat=True)) == {"expired"}
    assert not Slot.objects.exists()
