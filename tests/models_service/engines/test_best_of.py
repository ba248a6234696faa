"""Best of n: which answer is said, that it repeats, what its version tells, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings
from django.db import IntegrityError, transaction

from accounts.models import User
from core.problems import Problem
from models_service import reward_scoring, services
from models_service.engines import engine_for
from models_service.engines.base import EngineError, Request
from models_service.lm.checkpoint import load_policy, save_reward
from models_service.lm.heads import ScalarModel
from models_service.lm.reading import Said
from models_service.models import Kind, ModelVersion

pytestmark = pytest.mark.django_db

HELLO = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def base() -> ModelVersion:
    return services.ensure_base("tiny")


@pytest.fixture
def judge(base: ModelVersion) -> ModelVersion:
    policy, tokenizer = load_policy(base.folder)
    folder = Path(settings.CHECKPOINT_DIR) / "judge"
    save_reward(ScalarModel.from_policy(policy, seed=3, heads=2), tokenizer, folder)
    return services.register_version(name="judge", kind=Kind.REWARD, folder=folder)


@pytest.fixture
def best(base: ModelVersion, judge: ModelVersion) -> ModelVersion:
    return services.register_best_of(name="best", version=base, judge=judge, n=3)


def favourites(scores: list[float]) -> list[int]:
    """The best of each three."""
    groups = (range(first, first + 3) for first in range(0, len(scores), 3))
    return [max(group, key=scores.__getitem__) for group in groups]


def ask(k: int, seed: int = 0) -> Request:
    return Request(HELLO, k=k, max_new_tokens=6, seed=seed)


def test_the_judge_s_favourite_of_each_three_is_said(
    base: ModelVersion, judge: ModelVersion, best: ModelVersion
) -> None:
    [drawn] = engine_for(base).sample([ask(k=24, seed=15)])
    scores = [reward_scoring.score(judge, Said(HELLO, one.text, one.finished)) for one in drawn]
    [said] = engine_for(best).sample([ask(k=8, seed=5)])
    assert [answer.text for answer in said] == [drawn[i].text for i in favourites(scores)]
    # As if all had ended, others would be chosen.
    false = [reward_scoring.score(judge, Said(HELLO, one.text, True)) for one in drawn]
    assert favourites(false) != favourites(scores)
    assert said[0].logprob is None and said[0].engine.endswith("best of 3 by judge")


def test_a_completion_depends_on_its_own_seed_alone(best: ModelVersion) -> None:
    engine = engine_for(best)
    [together] = engine.sample([ask(k=3, seed=7)])
    alone = [engine.sample([ask(k=1, seed=seed)])[0][0] for seed in (7, 8, 9)]
    assert [a.text for a in together] == [a.text for a in alone]


def test_what_others_got_beside_a_failure_is_chosen_from_too(
    remote: Callable[..., ModelVersion], judge: ModelVersion
) -> None:
    far = services.register_best_of(name="far", version=remote("ill_at"), judge=judge, n=3)
    ill = Request([{"role": "user", "content": "I am ill."}], k=2, max_new_tokens=6)
    with pytest.raises(EngineError) as caught:
        engine_for(far).sample([ill, ask(k=2)])
    assert list(caught.value.waiting) == [0]
    chosen = caught.value.answers[1]
    assert len(chosen) == 2
    assert all("best of 3 by judge" in answer.engine for answer in chosen)


def test_streaming_gives_the_chosen_text_at_once(best: ModelVersion) -> None:
    heard: list[str] = []
    answer = engine_for(best).stream(ask(k=4), heard.append)
    assert heard == [answer.text] == [engine_for(best).sample([ask(k=1)])[0][0].text]


def test_scores_of_several_texts_are_those_of_each_alone(judge: ModelVersion) -> None:
    texts = ["", "one", "a much longer answer than the others"]
    said = [Said(HELLO, text, finished) for text in texts for finished in (True, False)]
    alone = [reward_scoring.score(judge, one) for one in said]
    assert reward_scoring.scores(judge, said) == pytest.approx(alone, abs=1e-5)
    assert len({round(score, 4) for score in alone}) == len(said)


def test_the_version_says_what_it_is(base: ModelVersion, best: ModelVersion) -> None:
    assert (best.kind, best.parent, best.best_of) == ("policy", base, 3)
    assert (best.folder, best.sha256) == (base.folder, base.sha256)
    assert best.judge is not None
    again = services.register_best_of(name="best", version=base, judge=best.judge, n=3)
    assert again == best
    prompted = services.register_prompted(name="kind", version=best, prefix="Be kind.")
    assert (prompted.best_of, prompted.judge) == (3, best.judge)


def test_what_makes_no_sense_is_refused(
    base: ModelVersion, judge: ModelVersion, best: ModelVersion
) -> None:
    wrong = [
        ({"n": 1}, "n"),
        ({"n": 65}, "n"),
        ({"judge": base}, "judge"),
        ({"version": judge}, "version"),
        ({"version": best}, "version"),
        ({"name": "best"}, "name"),
    ]
    for change, field in wrong:
        values = {"name": "other", "version": base, "judge": judge, "n": 2} | change
        with pytest.raises(Problem) as problem:
            services.register_best_of(**values)
        assert field in problem.value.errors
    with pytest.raises(IntegrityError), transaction.atomic():
        ModelVersion.objects.filter(pk=base.pk).update(best_of=2)


def test_a_judge_that_is_gone_is_named(best: ModelVersion) -> None:
    assert best.judge is not None
    ModelVersion.objects.filter(pk=best.judge.pk).update(checkpoint="nowhere")
    reward_scoring._loaded.cache_clear()
    with pytest.raises(EngineError, match="judge, which judges best, cannot"):
        engine_for(ModelVersion.objects.get(pk=best.pk)).sample([ask(k=1)])


def test_a_conversation_that_the_judge_s_template_refuses_is_that_task_s_reason(
    best: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert best.judge is not None
    _, tokenizer = reward_scoring._loaded(best.judge.folder, best.judge.sha256)
    refusing = "{% if messages | length > 1 %}{{ raise_exception('Too much talk.') }}{% endif %}"
    monkeypatch.setattr(tokenizer, "chat_template", refusing + tokenizer.chat_template)
    talk = [*HELLO, {"role": "assistant", "content": "Hi"}, *HELLO]
    with pytest.raises(EngineError, match="cannot choose an answer") as caught:
        engine_for(best).sample([ask(k=1), replace(ask(k=1), messages=talk)])
    assert list(caught.value.refused) == [1]


def test_a_researcher_adds_one_over_the_api(
    client, rosa: User, base: ModelVersion, judge: ModelVersion
) -> None:
    client.force_login(rosa)
    body = {"name": "best of 4", "version": base.pk, "judge": judge.pk, "n": 4}
    response = client.post("/api/v1/versions/best-of/", body, content_type="application/json")
    assert response.status_code == 201, response.content
    assert (response.json()["best_of"], response.json()["judge"]) == (4, judge.pk)
    refused = client.post(
        "/api/v1/versions/best-of/", body | {"judge": base.pk}, content_type="application/json"
    )
    assert refused.status_code == 400 and "judge" in refused.json()["errors"]
