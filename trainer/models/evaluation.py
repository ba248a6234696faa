"""What was found out about versions: evaluations, and measurements by a reward model."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from core.jobs import Job
from models_service.models import ModelVersion
from trainer.models.rounds import TrainingRound


class Evaluation(models.Model):
    """How a version did against a baseline, by one judge, on one set of prompts.

    `figures` holds every number with its interval, for example
    `{"win_rate": {"value": .61, "low": .52, "high": .70, "n": 100}, "kl": 3.1, …}`.
    """

    class Judge(models.TextChoices):
        REWARD = "reward", "Reward model"
        LABELERS = "labelers", "Training labelers"
        HELD_OUT = "held_out", "Held-out labelers"
        GOLD = "gold", "Hidden preference"

    version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="evaluations")
    baseline = models.ForeignKey(
        ModelVersion, null=True, on_delete=models.PROTECT, related_name="evaluations_against"
    )
    round = models.ForeignKey(
        TrainingRound, null=True, blank=True, on_delete=models.PROTECT, related_name="evaluations"
    )
    head_to_head = models.ForeignKey(
        "labeling.HeadToHead",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="evaluations",
    )
    judge = models.CharField(max_length=16, choices=Judge.choices)
    split = models.CharField(max_length=16)
    figures = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            # Measured again, an evaluation by labelers has new figures and not more rows.
            models.UniqueConstraint(
                fields=["head_to_head", "version", "judge"],
                condition=models.Q(head_to_head__isnull=False),
                name="evaluation_once_per_judge",
            )
        ]

    def __str__(self) -> str:
        return f"{self.version} against {self.baseline} by {self.get_judge_display()}"


class Measurement(Job):
    """Something a worker works out with a reward model: what it makes of the answers of a
    head-to-head or, where there is none, how good it is itself.

    One whose worker died or stopped is done anew by the next worker.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Being measured"
        FINISHED = "finished", "Finished"
        FAILED = "failed", "Failed"

    reward = models.ForeignKey(
        ModelVersion, null=True, on_delete=models.PROTECT, related_name="measurements"
    )
    head_to_head = models.ForeignKey(
        "labeling.HeadToHead",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="measurements",
    )
    state = models.CharField(max_length=16, choices=State.choices, default=State.QUEUED)
    total = models.PositiveIntegerField(default=0, help_text="Answers to be scored.")
    done = models.PositiveIntegerField(default=0, help_text="Answers scored.")
    figures = models.JSONField(default=dict, blank=True)
    failure = models.TextField(blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(reward__isnull=False) | models.Q(head_to_head__isnull=False),
                name="measurement_is_of_something",
            )
        ]

    def __str__(self) -> str:
        return f"Measurement {self.pk}"
