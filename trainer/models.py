"""Snapshots of labels, rounds, the runs of a round, their metrics and evaluations."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.db import models

from models_service.models import ModelVersion


class DatasetSnapshot(models.Model):
    """An immutable file of labels. Runs read it; nothing else of the database reaches them."""

    filename = models.CharField(max_length=200, unique=True)
    sha256 = models.CharField(max_length=64)
    filters = models.JSONField(default=dict)
    counts = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    # Somebody in it was erased: the file is destroyed, the row stays for the lineage.
    erased_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.filename

    @property
    def path(self) -> Path:
        """Where the file lies on this machine."""
        return Path(settings.SNAPSHOT_DIR) / self.filename


class SnapshotLabel(models.Model):
    """One label in a snapshot: the step of the lineage between a label and a checkpoint."""

    snapshot = models.ForeignKey(DatasetSnapshot, on_delete=models.CASCADE, related_name="labels")
    demonstration = models.ForeignKey(
        "labeling.Demonstration", null=True, on_delete=models.PROTECT, related_name="snapshots"
    )
    ranking = models.ForeignKey(
        "labeling.Ranking", null=True, on_delete=models.PROTECT, related_name="snapshots"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(demonstration__isnull=False, ranking__isnull=True)
                | models.Q(demonstration__isnull=True, ranking__isnull=False),
                name="snapshot_label_is_one",
            )
        ]

    def __str__(self) -> str:
        return f"Label in {self.snapshot_id}"


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


class TrainingRun(models.Model):
    """One stage of a round on the training queue.

    A worker holds a run by its `worker` token and heartbeat; one whose heartbeat is old is taken up
    again by the next worker, from the last checkpoint in its work folder.
    """

    class Stage(models.TextChoices):
        SFT = "sft", "SFT"
        REWARD = "reward", "Reward model"
        BEST_OF_N = "best_of_n", "Best of n"
        PPO = "ppo", "PPO"
        EVALUATION = "evaluation", "Evaluation"

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        FINISHED = "finished", "Finished"
        FAILED = "failed", "Failed"
        STOPPED = "stopped", "Stopped"

    round = models.ForeignKey(TrainingRound, on_delete=models.PROTECT, related_name="runs")
    stage = models.CharField(max_length=16, choices=Stage.choices)
    state = models.CharField(max_length=16, choices=State.choices, default=State.QUEUED)
    config = models.JSONField(default=dict)
    seed = models.BigIntegerField()
    # Who executed it, one entry a claim: {"at", "worker", "code", "python", "torch", …}.
    executions = models.JSONField(default=list, blank=True)
    worker = models.CharField(max_length=200, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
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


class SavedRecipe(models.Model):
    """A complete recipe under a name, to start rounds from."""

    name = models.CharField(max_length=120, unique=True)
    preset = models.CharField(max_length=40)
    recipe = models.JSONField()
    saved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    saved_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Schedule(models.Model):
    """A saved recipe that starts by itself: at a time of the week, or after so many new rankings.

    `weekday` counts from Monday = 0; none means every day. `next_at` is the coming start of the
    first kind; `rankings_then` how many rankings there were when the second kind last started.
    """

    recipe = models.ForeignKey(SavedRecipe, on_delete=models.CASCADE, related_name="schedules")
    weekday = models.PositiveSmallIntegerField(null=True, blank=True)
    at = models.TimeField(null=True, blank=True)
    next_at = models.DateTimeField(null=True, blank=True)
    after_rankings = models.PositiveIntegerField(null=True, blank=True)
    rankings_then = models.PositiveBigIntegerField(default=0)
    paused = models.BooleanField(default=False)
    last_round = models.ForeignKey(
        TrainingRound, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    failure = models.TextField(blank=True, help_text="Why it could not start when it was due.")
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(
                    at__isnull=False, next_at__isnull=False, after_rankings__isnull=True
                )
                | models.Q(
                    at__isnull=True,
                    next_at__isnull=True,
                    weekday__isnull=True,
                    after_rankings__gte=1,
                ),
                name="schedule_is_of_one_kind",
            ),
            models.CheckConstraint(
                condition=models.Q(weekday__isnull=True) | models.Q(weekday__lte=6),
                name="schedule_weekday",
            ),
        ]

    def __str__(self) -> str:
        return f"Schedule of {self.recipe}"


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


class Measurement(models.Model):
    """Something a worker works out with a reward model: what it makes of the answers of a
    head-to-head or, where there is none, how good it is itself.

    A worker holds it by its `attempt`; one whose heartbeat is old is done anew by the next worker.
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
    attempt = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(auto_now_add=True)
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


class Export(models.Model):
    """Labels that somebody asked for as a file, and how far a worker is with it.

    A worker holds an export by its `attempt`; one whose heartbeat is old is gone on with by the
    next worker. Its file is destroyed after some days; the row and its manifest stay.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Being written"
        FINISHED = "finished", "Finished"
        FAILED = "failed", "Failed"
        EXPIRED = "expired", "Cleaned up"
        WITHDRAWN = "withdrawn", "Withdrawn"

    what = models.CharField(max_length=16)
    shape = models.CharField(max_length=16)
    file = models.CharField(max_length=16)
    split = models.CharField(max_length=16)
    filters = models.JSONField(default=dict)
    snapshot = models.ForeignKey(
        DatasetSnapshot, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    state = models.CharField(max_length=16, choices=State.choices, default=State.QUEUED)
    total = models.PositiveIntegerField(default=0, help_text="Labels that match.")
    done = models.PositiveIntegerField(default=0, help_text="Labels written.")
    rows = models.PositiveIntegerField(default=0)
    manifest = models.JSONField(default=dict, blank=True)
    failure = models.TextField(blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    attempt = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(auto_now_add=True)
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"Export {self.pk}: {self.what}, {self.shape}"

    @property
    def path(self) -> Path:
        """Where the file lies on this machine."""
        name = f"export-{self.pk}-{self.what}-{self.shape}.{self.file}"
        return Path(settings.EXPORT_DIR) / name


class Erasure(models.Model):
    """That a person was erased, and what of theirs was found. Says nothing of who it was: `who` is
    a keyed hash, by which asking again for the same person is known."""

    who = models.CharField(max_length=64, db_index=True, editable=False)
    found = models.JSONField(help_text="How many rows or files of each kind.")
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"Erasure {self.pk}"
