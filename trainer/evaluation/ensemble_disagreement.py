"""How far the heads of an ensemble of reward models disagree about what a prompt was answered.

Measured once for every ensemble that a round trains. A queue's rule "uncertain above" then lets
labelers rank first where the reward model knows least.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from django.db.models import Prefetch

from labeling.models import Completion, LabelingTask, Prompt, TaskKind
from labeling.models.guidelines import Purpose
from labeling.queues.uncertainty import keep_uncertainty
from models_service.models import ModelVersion
from trainer.algorithms.accuracy import disagreement
from trainer.models import TrainingRun

# About ten minutes of a reward model of 135M weights on two cores.
MOST_PROMPTS = 1000


def ensemble_of(run_id: int) -> ModelVersion | None:
    """The ensemble that this run has made, if it made one."""
    run = TrainingRun.objects.select_related("output").filter(pk=run_id, stage="reward").first()
    if run is None or run.output is None or run.config["settings"].get("heads", 1) < 2:
        return None
    return run.output


def measure(judge: ModelVersion) -> int:
    """Write the disagreement of `judge` to the prompts that were answered last; how many there are.

    Done twice it writes the same again. Raises CheckpointError.
    """
    from models_service import reward_scoring  # PyTorch, only where it is needed
    from models_service.lm.chat import PromptRefused
    from models_service.lm.reading import Said

    measured = {}
    for task in _answered():
        asked = task.asked
        answers = [Said(asked.messages, one.text, one.finished) for one in task.completions.all()]
        if len(answers) > 1:
            with suppress(PromptRefused):  # of what it cannot be asked it has no opinion
                measured[asked.pk] = disagreement(reward_scoring.opinions(judge, answers))
    keep_uncertainty(measured)
    return len(measured)


def _answered() -> Iterator[LabelingTask]:
    """The newest task with completions of each active prompt, newest first."""
    tasks = LabelingTask.objects.filter(
        kind=TaskKind.RANKING,
        purpose=Purpose.TRAINING,
        prompt__state=Prompt.State.ACTIVE,
        completions__position=0,
    )
    newest = tasks.order_by("prompt_id", "-pk").distinct("prompt_id").values("pk")
    chosen = LabelingTask.objects.filter(pk__in=newest).order_by("-pk")[:MOST_PROMPTS]
    ordered = Completion.objects.order_by("position")
    yield from chosen.select_related("prompt").prefetch_related(Prefetch("completions", ordered))
