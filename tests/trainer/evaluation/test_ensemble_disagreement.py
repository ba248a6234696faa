"""An ensemble of reward models says of which prompts it is unsure, and queues may ask for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from labeling.models import Prompt
from labeling.queues.next_prompts import matches
from models_service import reward_scoring
from models_service.lm.reading import Said
from models_service.models import ModelVersion
from tests.trainer.conftest import Labels
from trainer import tasks
from trainer.algorithms.accuracy import disagreement
from trainer.evaluation import ensemble_disagreement
from trainer.rounds.start import start_round

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def reward_stage(
    labels: Labels, small: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[[int], list[int]]:
    """A round of SFT and a reward model of so many heads; the ensembles to be asked after it."""
    asked: list[int] = []
    waiting: list[int] = []
    monkeypatch.setattr(tasks.measure_uncertainty, "delay", asked.append)
    monkeypatch.setattr(tasks.execute_run, "delay", waiting.append)
    monkeypatch.setattr(tasks.advance_rounds, "delay", lambda: None)

    def go(heads: int) -> list[int]:
        labels.enough()
        reward = small["reward"] | {"heads": heads}
        recipe = small | {"stages": ["sft", "reward"], "reward": reward}
        round = start_round(preset="tiny", recipe=recipe)
        for _ in range(4):
            tasks.advance_rounds()
            while waiting:
                tasks.execute_run(waiting.pop())
        round.refresh_from_db()
        assert round.state == "finished", round.failure
        return asked

    return go


def test_every_answered_prompt_gets_what_the_heads_disagree_by(
    reward_stage: Callable[[int], list[int]], labels: Labels
) -> None:
    [ensemble] = reward_stage(3)
    untouched = labels.prompt()
    Prompt.objects.filter(pk=untouched.pk).update(uncertainty=0.4)
    gone = labels.ranking().prompt
    Prompt.objects.filter(pk=gone.pk).update(state=Prompt.State.WITHDRAWN)
    tasks.measure_uncertainty(ensemble)

    judge = ModelVersion.objects.get(pk=ensemble)
    measured = Prompt.objects.exclude(uncertainty=None)
    assert measured.count() == 12
    one = measured.first()
    assert one is not None
    answers = one.tasks.get().completions.order_by("position")
    assert not all(answer.finished for answer in answers)
    said = [Said(one.messages, answer.text, answer.finished) for answer in answers]
    expected = disagreement(reward_scoring.opinions(judge, said))
    assert one.uncertainty == pytest.approx(expected) and 0 < expected < 0.5
    untouched.refresh_from_db()
    assert untouched.uncertainty is None, "an older ensemble's measure is forgotten"
    least = min(prompt.uncertainty or 0 for prompt in measured)
    assert Prompt.objects.filter(matches({"uncertain_above": least})).count() < 12
    assert ensemble_disagreement.measure(judge) == 12


def test_a_single_head_is_never_asked(reward_stage: Callable[[int], list[int]]) -> None:
    assert reward_stage(1) == []
