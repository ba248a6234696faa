"""Labels to learn from, made as the labeling app would have stored them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from django.conf import settings

from accounts.models import Role, User
from accounts.services import create_user
from labeling.models import (
    Completion,
    Demonstration,
    LabelerProfile,
    LabelingTask,
    Prompt,
    RankedCompletion,
    Ranking,
)
from labeling.queues.open_slots import profile_of
from models_service.lm.checkpoint import load_policy, save_reward
from models_service.lm.heads import ScalarModel
from models_service.models import ModelVersion
from models_service.services import adopt_base, promote, register_version

_numbers = count(1)
# How the completions of a ranking ended, in their order.
ENDS = ("stop", "length", "stop", "other", *["stop"] * 5)


class Labels:
    """Writes prompts and labels straight into the tables."""

    def __init__(self, policy: ModelVersion, labeler: User) -> None:
        self.policy, self.labeler = policy, labeler

    def prompt(self, split: str = "train", text: str = "") -> Prompt:
        number = next(_numbers)
        return Prompt.objects.create(
            messages=[{"role": "user", "content": text or f"Say the number {number}."}],
            source=Prompt.Source.IMPORT,
            split=split,
            fingerprint=f"test-{number}",
        )

    def demonstration(
        self, split: str = "train", text: str = "Gladly.", labeler: User | None = None
    ) -> Demonstration:
        prompt = self.prompt(split)
        task = LabelingTask.objects.create(
            kind="demonstration", prompt=prompt, state=LabelingTask.State.OPEN
        )
        labeler = labeler or self.labeler
        return Demonstration.objects.create(
            task=task, prompt=prompt, labeler=labeler, group=profile_of(labeler).group, text=text
        )

    def ranking(
        self,
        split: str = "train",
        ranks: tuple[int, ...] = (1, 2, 2, 3),
        labeler: User | None = None,
    ) -> Ranking:
        prompt = self.prompt(split)
        task = LabelingTask.objects.create(
            kind="ranking", prompt=prompt, state=LabelingTask.State.OPEN, policy=self.policy
        )
        labeler = labeler or self.labeler
        ranking = Ranking.objects.create(
            task=task, prompt=prompt, labeler=labeler, group=profile_of(labeler).group
        )
        for position, rank in enumerate(ranks):
            completion = Completion.objects.create(
                task=task,
                position=position,
                version=self.policy,
                text="yes " * (4 - rank),
                sampling={},
                seed=position,
                finish_reason=ENDS[position],
                prompt_tokens=5,
                completion_tokens=4 - rank,
            )
            RankedCompletion.objects.create(
                ranking=ranking, completion=completion, rank=rank, overall=8 - rank
            )
        return ranking

    def enough(self) -> None:
        """Labels for a round of the `tiny` preset."""
        for _ in range(8):
            self.demonstration()
            self.ranking()
        for _ in range(4):
            self.prompt("validation")
            self.ranking("validation")


@pytest.fixture
def base(db: None) -> ModelVersion:
    """The tiny model, promoted as policy."""
    return adopt_base("tiny")


@pytest.fixture
def labels(base: ModelVersion, ada: User) -> Labels:
    return Labels(base, ada)


@pytest.fixture
def held_out(db: None) -> User:
    """A labeler who never produces training data."""
    user, _ = create_user(name="hal", role=Role.LABELER)
    LabelerProfile.objects.create(user=user, group=LabelerProfile.Group.HELD_OUT)
    return user


# The smallest round there is: every stage one or two steps.
SMALL = {
    "sft": {"epochs": 1, "batch_size": 4, "checkpoint_every": 1},
    "reward": {"batch_size": 4, "checkpoint_every": 1},
    "ppo": {
        "iterations": 1,
        "batch_size": 4,
        "minibatch_size": 4,
        "eval_prompts": 2,
        "ptx_coefficient": 0.0,
    },
    "evaluation": {"prompts": 4},
}


@pytest.fixture
def small() -> dict[str, dict[str, object]]:
    return SMALL


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch, settings: object) -> Callable[[], None]:
    """`now()` takes every step that waits, as the workers would: no broker needed to see the order.

    Messages are recorded instead of sent, and executed one by one.
    """
    from trainer import tasks
    from trainer.rounds import reads
    from trainer.runs import runner

    sent: list[int] = []
    monkeypatch.setattr(tasks.execute_run, "delay", sent.append)
    monkeypatch.setattr(tasks.advance_rounds, "delay", lambda: None)

    def go() -> None:
        for _ in range(20):
            for round in reads.open_rounds():
                while tasks.advance(round):
                    round.refresh_from_db()
            if not sent:
                return
            runner.execute(sent.pop(0))

    return go


@pytest.fixture
def reward(base: ModelVersion) -> ModelVersion:
    """An untrained reward model on the tiny model's transformer, promoted."""
    policy, tokenizer = load_policy(base.folder)
    folder = Path(settings.CHECKPOINT_DIR) / "judge"
    save_reward(ScalarModel.from_policy(policy, seed=3), tokenizer, folder)
    version = register_version(name="judge", kind="reward", folder=folder, parent=base)
    promote(role="reward", version=version)
    return version
