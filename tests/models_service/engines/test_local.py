"""The local engine: the same answers alone or together, limits told clearly, memory bounded."""

from __future__ import annotations

import os
import re
import time
from typing import Any

import pytest

from models_service.engines import engine_for, local
from models_service.engines.base import EngineError, Request
from models_service.engines.local import LoadedModels, halving, models
from models_service.lm.generation import Generated, generate
from models_service.lm.tiny import write_tiny_checkpoint
from models_service.models import ModelVersion
from models_service.services import ensure_base, register_prompted
from models_service.worker_heartbeats import present

pytestmark = pytest.mark.django_db


def ask(text: str, **settings: object) -> Request:
    values = {"k": 2, "max_new_tokens": 6, "seed": 5} | settings
    return Request(messages=[{"role": "user", "content": text}], **values)  # type: ignore[arg-type]


def test_a_request_is_answered_the_same_alone_and_among_others() -> None:
    engine = engine_for(ensure_base("tiny"))
    together = engine.sample([ask("One"), ask("Another, longer one", k=3), ask("Third")])
    alone = engine.sample([ask("Third")])
    assert [len(group) for group in together] == [2, 3, 2]
    assert [a.text for a in together[2]] == [a.text for a in alone[0]]


def test_an_answer_says_what_it_cost() -> None:
    [[answer, _]] = engine_for(ensure_base("tiny")).sample([ask("Hello")])
    assert answer.prompt_tokens > 5
    assert 1 <= answer.completion_tokens <= 6
    assert answer.logprob is not None and answer.logprob < 0
    assert answer.finish_reason in {"stop", "length"}


def test_the_prefix_is_put_before_every_prompt() -> None:
    base = ensure_base("tiny")
    prompted = ModelVersion.objects.create(
        name="prompted", kind="base", checkpoint=base.checkpoint, prefix="Answer briefly."
    )
    plain, longer = (engine_for(v).sample([ask("Hi")])[0][0] for v in (base, prompted))
    assert longer.prompt_tokens > plain.prompt_tokens


def test_a_prompt_longer_than_the_context_is_named() -> None:
    engine = engine_for(ensure_base("tiny"))
    with pytest.raises(EngineError, match="reads at most 1023") as caught:
        engine.sample([ask("short"), ask("x" * 2000)])
    assert list(caught.value.refused) == [1]


def test_a_missing_checkpoint_is_explained() -> None:
    gone = ModelVersion.objects.create(name="gone", kind="base", checkpoint="base/gone")
    with pytest.raises(EngineError, match="gone cannot be loaded"):
        engine_for(gone).sample([ask("Hi")])


def test_out_of_memory_halves_the_batch_and_keeps_the_seeds() -> None:
    calls: list[tuple[int, int, int]] = []

    def sample(prompts: list[list[int]], k: int, first: int) -> list[list[Generated]]:
        calls.append((len(prompts), k, first))
        if len(prompts) * k > 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried")
        return [[Generated(tokens=[*p, first + j]) for j in range(k)] for p in prompts]

    drawn = halving(sample, [[10], [20]], k=4)
    assert [[g.tokens for g in group] for group in drawn] == [
        [[10, j] for j in range(4)],
        [[20, j] for j in range(4)],
    ]
    assert (1, 2, 2) in calls


def test_equal_requests_are_answered_in_halves_as_they_are_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    requests = [ask("Why?", k=3)] * 2
    engine = engine_for(ensure_base("tiny"))
    together = [[answer.text for answer in answers] for answers in engine.sample(requests)]

    def short_of_memory(model: Any, prompts: Any, k: int, *rest: Any, **more: Any) -> Any:
        if len(prompts) * k > 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried")
        return generate(model, prompts, k, *rest, **more)

    monkeypatch.setattr(local, "generate", short_of_memory)
    assert [[answer.text for answer in answers] for answers in engine.sample(requests)] == together
    assert len({text for answers in together for text in answers}) == 6


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    def sample(prompts: list[list[int]], k: int, first: int) -> list[list[Generated]]:
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes"):
        halving(sample, [[1], [2]], k=2)


def test_the_least_recently_used_model_leaves_first() -> None:
    versions = []
    for seed in range(3):
        base = ensure_base("tiny")
        folder = base.folder.parent / f"seed-{seed}"
        write_tiny_checkpoint(folder, seed=seed)
        versions.append(
            ModelVersion.objects.create(
                name=f"v{seed}", kind="base", checkpoint=f"base/seed-{seed}"
            )
        )
    held = LoadedModels(limit=2)
    first = held.get(versions[0])
    held.get(versions[1])
    assert held.get(versions[0]) is first
    second = held.get(versions[1])
    held.get(versions[2])
    assert held.get(versions[1]) is second
    assert held.get(versions[0]) is not first


def test_a_memory_limit_lets_the_oldest_go() -> None:
    base = ensure_base("tiny")
    size = LoadedModels(limit=1).get(base).size
    other = base.folder.parent / "another"
    write_tiny_checkpoint(other, seed=9)
    another = ModelVersion.objects.create(name="a", kind="base", checkpoint="base/another")
    for memory, held in ((3 * size, 2), (size + 100, 1), (1, 1)):
        models = LoadedModels(limit=5, memory=memory)
        models.get(base), models.get(another)
        assert len(models.checkpoints()) == held
        assert models.checkpoints()[0] == "base/another"


def test_a_prompted_version_shares_the_weights_of_its_model() -> None:
    base = ensure_base("tiny")
    prompted = register_prompted(name="prompted", version=base, prefix="Briefly.")
    models = LoadedModels(limit=2)
    assert models.get(base) is models.get(prompted)


def test_a_process_says_what_it_holds() -> None:
    engine_for(ensure_base("tiny")).sample([ask("Hi")])
    own = next(one for one in present() if one.process.endswith(f":{os.getpid()}"))
    assert own.models[0] == "base/tiny"
    assert own.peak_mib > 50
    assert time.time() - own.at < 60


def test_it_samples_on_halved_weights_where_the_settings_say_so(settings: Any) -> None:
    models.clear()
    settings.SAMPLING_WEIGHTS = "float16"
    [[answer, _]] = engine_for(ensure_base("tiny")).sample([ask("Hello")])
    models.clear()
    assert re.search(r"float16 weights \(KL \d\.\de-\d\d\)", answer.engine)


def test_a_chat_template_that_refuses_a_prompt_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    base = ensure_base("tiny")
    models.clear()
    tokenizer = models.get(base).tokenizer
    refusing = "{{ raise_exception('System role not supported') }}"
    monkeypatch.setattr(tokenizer, "chat_template", refusing)
    with pytest.raises(EngineError, match="System role not supported") as caught:
        engine_for(base).sample([ask("Hello")])
    assert list(caught.value.refused) == [0]
    models.clear()
