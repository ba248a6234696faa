"""Rounds, their runs, and what the runs report: metrics, samples, lines of their logs."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.db import models

from core.jobs import Job
from models_service.models import ModelVersion
from trainer.algorithms.stages import STAGES
from trainer.models.snapshots import DatasetSnapshot


class TrainingRound(models.Model):
    """One turn of the loop: a snapshot, its stages, and what became of them.

    `recipe` is the whole configuration: `{"stages": [...], "sft": {...}, "reward": {...},
    "ppo": {...}, "evaluation": {...}, "labels": {<filters>}, "promote": "never" | "if_better" |
    "always"}`.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        PAUSED = "paused", "Paused"
        FINISHED = "finished", "Finished"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    name = models.CharField(max_length=120, blank=True)
    preset = models.CharField(max_length=40)
    recipe = models.JSONField()
    seed = models.BigIntegerField(default=1)
    state = models.CharField(max_length=16, choices=State.choices, default=State.QUEUED)
    snapshot = models.ForeignKey(
        DatasetSnapshot, null=True, blank=True, on_delete=models.PROTECT, related_name="rounds"
    )
    start = models.ForeignKey(
        ModelVersion,
        on_delete=models.PROTECT,
        related_name="rounds_started",
        help_text="The model that supervised fine-tuning starts from.",
    )
    reward = models.ForeignKey(
        ModelVersion,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="rounds_judged",
        help_text="The reward model of a round that trains none itself.",
    )
    policy = models.ForeignKey(
        ModelVersion,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="rounds_ended",
        help_text="The policy this round ended with.",
    )
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    failure = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            # There is one training worker's worth of machine, so one round has it at a time.
            models.UniqueConstraint(
                fields=["state"], condition=models.Q(state="running"), name="one_round_running"
            )
        ]

    def __str__(self) -> str:
        return self.name or f"Round {self.pk}"


class TrainingRun(Job):
    """One stage of a round on the training queue.

    One whose worker died or stopped is taken up again by the next worker, from the last state in
    its work folder.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        FINISHED = "finished", "Finished"
        FAILED = "failed", "Failed"
        STOPPED = "stopped", "Stopped"

    round = models.ForeignKey(TrainingRound, on_delete=models.PROTECT, related_name="runs")
    stage = models.CharField(
        max_length=16, choices=[(stage.name, stage.title) for stage in STAGES.values()]
    )
    state = models.CharField(max_length=16, choices=State.choices, default=State.QUEUED)
    config = models.JSONField(default=dict)
    seed = models.BigIntegerField()
    # Who executed it, one entry a claim: {"at", "worker", "code", "python", "torch", …}.
    executions = models.JSONField(default=list, blank=True)
    step = models.PositiveIntegerField(default=0)
    total_steps = models.PositiveIntegerField(default=0)
    output = models.OneToOneField(
        ModelVersion, null=True, blank=True, on_delete=models.PROTECT, related_name="run"
    )
    result = models.JSONField(default=dict, blank=True)
    failure = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            # A round's stage is one run, however often it is enqueued or retried.
            models.UniqueConstraint(fields=["round", "stage"], name="run_once_per_stage")
        ]

    def __str__(self) -> str:
        return f"{self.get_stage_display()} of {self.round}"

    @property
    def work(self) -> Path:
        """Where the run's resume states lie; on storage all training workers share."""
        return Path(settings.CHECKPOINT_DIR) / "work" / f"run-{self.pk}"


class Metric(models.Model):
    """One step's figures: `{"objective/kl": 0.4, …}`. A step done again replaces its row."""

    run = models.ForeignKey(TrainingRun, on_delete=models.CASCADE, related_name="metrics")
    step = models.PositiveIntegerField()
    values = models.JSONField()
    at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["run", "step"]
        constraints = [models.UniqueConstraint(fields=["run", "step"], name="metric_once")]

    def __str__(self) -> str:
        return f"Step {self.step} of run {self.run_id}"


class Sample(models.Model):
    """What the model in training said at a step, with its reward score."""

    run = models.ForeignKey(TrainingRun, on_delete=models.CASCADE, related_name="samples")
    step = models.PositiveIntegerField()
    position = models.PositiveSmallIntegerField()
    prompt = models.TextField()
    text = models.TextField()
    score = models.FloatField(null=True)

    class Meta:
        ordering = ["run", "step", "position"]
        constraints = [
            models.UniqueConstraint(fields=["run", "step", "position"], name="sample_once")
        ]

    def __str__(self) -> str:
        return f"Sample {self.position} at step {self.step}"


class LogLine(models.Model):
    """A line of a run's log. Only the newest of a run are kept."""

    run = models.ForeignKey(TrainingRun, on_delete=models.CASCADE, related_name="log")
    level = models.CharField(max_length=10)
    text = models.TextField()
    at = models.DateTimeField()

    class Meta:
        ordering = ["run", "id"]

    def __str__(self) -> str:
        return f"{self.level}: {self.text[:80]}"
