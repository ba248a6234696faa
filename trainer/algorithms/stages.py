"""THE list of stages that a round may have. Whatever differs between stages stands in its record
here, and recipes, runner, job, estimates, memory model, documentation, lineage and forms read it.

Nothing here loads PyTorch: a stage names its module, which is imported where it is run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, TypeVar

from trainer.algorithms.config import Config
from trainer.algorithms.settings import (
    BestOfNConfig,
    EvaluationConfig,
    PPOConfig,
    RewardConfig,
    SFTConfig,
)

Made = TypeVar("Made")

OF_TRAINING = 4  # weights, gradients, Adam's two moments

# What a stage of a round starts from, given what the stages before it made (the id of a version by
# its stage) and the version the round starts from: ids by the names of its algorithm's `Starts`.
StartsOf = Callable[[Mapping[str, int], int], dict[str, int]]
# Something a stage's time is proportional to, given its settings and the counts of labels.
WorkOf = Callable[[Mapping[str, Any], Mapping[str, int]], float]


@dataclass(frozen=True)
class Stage:
    """One stage; how to add one stands in docs/extend/stage.md.

    `module` has a `train` as trainer/algorithms/sft.py has it; stages without one train nothing and
    are executed by the runner itself. `outcome` is the kind of version that comes out ("sft",
    "reward", "policy"), empty where none does, and `version` the word for it in its name.
    """

    name: str
    title: str
    config: type[Config]
    starts: StartsOf
    work: WorkOf
    module: str = ""
    outcome: str = ""
    version: str = ""
    # Stages whose outcome must be there, from the same round or given.
    needs: tuple[str, ...] = ()
    # Whether a recipe that names no stages has it.
    usual: bool = True
    # Whether answers are scored, so that its token limit must be that of the labeled answers.
    scores: bool = True
    # Labels that shape what comes out, itself or through the stages before it.
    labels: tuple[str, ...] = ("demonstration", "ranking")
    # The setting that says how large a batch is, by what fills it.
    batches: Mapping[str, str] = field(default_factory=dict)
    # Whether validation prompts are all it asks.
    only_asks: bool = False
    # Whether its `train` takes a file of pretraining text.
    reads_pretraining: bool = False
    # Numbers held for each parameter of the model, and for each token and word it knows.
    copies: int = OF_TRAINING
    logits: int = 0

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """Run the `train` of its module, which is imported now."""
        return import_module(self.module).train(*args, **kwargs)


def supervised(made: Mapping[str, int], start: int) -> dict[str, int]:
    """Start from the supervised model, or from the round's start where it has none."""
    return {"policy": made.get("sft", start)}


def judged(made: Mapping[str, int], start: int) -> dict[str, int]:
    """Start from the supervised model, with the reward model."""
    return {**supervised(made, start), "reward": made["reward"]}


def last_policy(made: Mapping[str, Made]) -> Made | None:
    """Of what stages made, by stage, the policy of the last one that makes a policy at all."""
    makers = (stage.name for stage in STAGES.values() if stage.outcome not in ("", "reward"))
    return next((made[name] for name in reversed([*makers]) if made.get(name)), None)


def scoring() -> list[str]:
    """The stages that score answers. A reward model judges rightly what is as long as what it
    learned from, so they have one limit, that of the queue whose answers are labeled."""
    return [stage.name for stage in STAGES.values() if stage.scores]


def _evaluated(made: Mapping[str, int], start: int) -> dict[str, int]:
    """What the round ends with against its supervised model, or that against the round's start."""
    baseline = made.get("sft", start)
    policy = last_policy(made)
    if policy is None or policy == baseline:
        policy, baseline = baseline, start
    return {"policy": policy, "baseline": baseline, "reward": made["reward"]}


def labels_seen(labels: str, settings: Mapping[str, Any], counts: Mapping[str, int]) -> int:
    """Labels ("rankings") that are there, or as many as the settings allow at most."""
    there = counts.get(labels, 0)
    return min(settings.get(f"max_{labels}") or there, there)


def _sft_work(settings: Mapping[str, Any], counts: Mapping[str, int]) -> float:
    return float(settings["epochs"] * labels_seen("demonstrations", settings, counts))


def _reward_work(settings: Mapping[str, Any], counts: Mapping[str, int]) -> float:
    # Each of k folds learns from the other k - 1: together k - 1 runs more.
    runs = max(1, settings.get("folds", 0))
    return float(settings["epochs"] * labels_seen("rankings", settings, counts) * runs)


def _ppo_work(settings: Mapping[str, Any], counts: Mapping[str, int]) -> float:
    sampled = settings["iterations"] * settings["batch_size"]
    return float(sampled * settings.get("max_response_tokens", 1))


def _asking_work(settings: Mapping[str, Any], counts: Mapping[str, int]) -> float:
    there = counts.get("validation_prompts", 0)
    answers = settings.get("n", settings.get("answers_per_prompt", 1))
    length = settings.get("max_response_tokens", 1)
    return float(min(settings.get("prompts") or there, there) * answers * length)


# In the order in which a round has them; of several that make a policy, the last one's is the
# round's.
STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage(
            "sft",
            "SFT",
            SFTConfig,
            starts=lambda made, start: {"policy": start},
            work=_sft_work,
            module="trainer.algorithms.sft",
            outcome="sft",
            version="sft",
            scores=False,
            labels=("demonstration",),
            batches={"demonstrations": "batch_size"},
            reads_pretraining=True,
            logits=2,  # the loss reads them at every position of a response
        ),
        Stage(
            "reward",
            "Reward model",
            RewardConfig,
            starts=supervised,
            work=_reward_work,
            module="trainer.algorithms.reward",
            outcome="reward",
            version="reward",
            batches={"rankings": "batch_size"},
        ),
        Stage(
            "best_of_n",
            "Best of n",
            BestOfNConfig,
            starts=judged,
            work=_asking_work,
            outcome="policy",
            needs=("reward",),
            usual=False,
            only_asks=True,
            copies=1,
        ),
        Stage(
            "ppo",
            "PPO",
            PPOConfig,
            starts=judged,
            work=_ppo_work,
            module="trainer.algorithms.ppo",
            outcome="policy",
            version="policy",
            needs=("reward",),
            batches={"prompts": "minibatch_size"},
            reads_pretraining=True,
            copies=11,  # docs/ppo.md counts them
        ),
        Stage(
            "evaluation",
            "Evaluation",
            EvaluationConfig,
            starts=_evaluated,
            work=_asking_work,
            needs=("reward",),
            only_asks=True,
            copies=1,
        ),
    )
}
