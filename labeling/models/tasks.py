"""Tasks, their slots, the completions to compare, and who holds what."""

from __future__ import annotations

from typing import NamedTuple

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.functional import cached_property

from core.db import prepared
from labeling.models.evaluations import HeadToHead
from labeling.models.guidelines import FormVersion, Guideline, Purpose
from labeling.models.labelers import LabelerProfile
from labeling.models.origins import LabelOrigin
from labeling.models.prompts import Prompt, Split
from labeling.task_kinds import TASK_KINDS, Kind, TaskKind
from models_service.models import ModelVersion

__all__ = ["Assignment", "Completion", "LabelingTask", "Purpose", "Queue", "Slot", "TaskKind"]


IMPORTED, IMPORTED_EVALUATION = "imported", "imported_eval"
"""The purposes of a task that came with its label: no queue has it, and nobody is asked. What an
evaluation measured is learned from no more than it was where it was made."""

PURPOSES = [
    *Purpose.choices,
    (IMPORTED, "Imported"),
    (IMPORTED_EVALUATION, "Imported, of an evaluation"),
]


class Queue(models.Model):
    """The settings of one queue: a kind of task for a purpose."""

    kind = models.CharField(max_length=16, choices=TaskKind.choices)
    purpose = models.CharField(max_length=16, choices=Purpose.choices)
    ready = models.PositiveIntegerField(default=12, help_text="Open tasks kept ready.")
    overlap = models.PositiveSmallIntegerField(default=1, help_text="Labels wanted per task.")
    completions = models.PositiveSmallIntegerField(default=4, help_text="K, from 4 to 9.")
    max_new_tokens = models.PositiveIntegerField(
        "longest answer, tokens",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Where an answer is cut. Empty: as the setting MAX_NEW_TOKENS says. A round "
        "trains at the limit of the ranking queue, at which its answers were judged.",
    )
    temperature = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0.05), MaxValueValidator(2)],
        help_text="Empty: 1, as PPO samples, so that the reward model meets what the policy says.",
    )
    mixture = models.JSONField(
        "who answers",
        default=dict,
        blank=True,
        help_text="Versions and roles with weights: of 4 answers, weights 3 and 1 give three to "
        "the first. None: the policy alone.",
    )
    paused = models.BooleanField(default=False, help_text="Nobody gets a task from it.")
    draining = models.BooleanField(
        default=False, help_text="Open tasks are finished, no new ones are drawn."
    )
    targets = models.JSONField(
        default=dict,
        blank=True,
        help_text="Each use case's share among its tasks; 3 and 1 give one three times as many. "
        "None: prompts as they come.",
    )
    rules = models.JSONField(
        default=list,
        blank=True,
        help_text="Points that raise the priority of prompts. A rule holds where all that it names "
        "does, and of several the highest counts.",
    )

    class Meta:
        ordering = ["kind", "purpose"]
        constraints = [
            models.UniqueConstraint(fields=["kind", "purpose"], name="queue_once"),
            models.CheckConstraint(
                condition=models.Q(completions__gte=2, completions__lte=9), name="queue_k_in_range"
            ),
            models.CheckConstraint(
                condition=models.Q(overlap__gte=1), name="queue_overlap_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} · {self.get_purpose_display()}"

    @property
    def of_kind(self) -> Kind:
        """What stands behind its kind."""
        return TASK_KINDS[self.kind]


class LabelingTask(models.Model):
    """One prompt to be labeled in one way, by as many labelers as it has slots.

    Its states and their order stand in `labeling.states`. Whether it is complete is read from its
    slots, never stored.
    """

    class State(models.TextChoices):
        SAMPLING = "sampling", "Sampling"
        OPEN = "open", "Open"
        EXPIRED = "expired", "Expired"
        BROKEN = "broken", "Broken"

    kind = models.CharField(max_length=16, choices=TaskKind.choices)
    purpose = models.CharField(
        max_length=16,
        choices=PURPOSES,
        default=Purpose.TRAINING,
    )
    # Where its label, or its completions, came from, if not from here.
    origin = models.OneToOneField(
        LabelOrigin, null=True, blank=True, on_delete=models.PROTECT, related_name="task"
    )
    # A prompt-writing task has no prompt; its outcome is one.
    prompt = models.ForeignKey(
        Prompt, null=True, blank=True, on_delete=models.PROTECT, related_name="tasks"
    )
    brief = models.JSONField(
        default=dict, blank=True, help_text="For prompt writing: the use case."
    )
    state = models.CharField(max_length=16, choices=State.choices)
    priority = models.SmallIntegerField(default=0)
    completions_wanted = models.PositiveSmallIntegerField(default=0)
    # Which versions are to answer, their ids with weights; {} means the promoted policy. From the
    # queue's mixture, or from an evaluation, which puts two versions side by side.
    mixture = models.JSONField(default=dict, blank=True)
    head_to_head = models.ForeignKey(
        HeadToHead, null=True, blank=True, on_delete=models.PROTECT, related_name="tasks"
    )
    policy = models.ForeignKey(
        ModelVersion, null=True, blank=True, on_delete=models.PROTECT, related_name="tasks"
    )
    seed = models.BigIntegerField(default=0)
    # A sampling worker's claim on this task; taken over when it has grown old.
    sampling_since = models.DateTimeField(null=True, blank=True)
    failure = models.TextField(blank=True)
    # The share of comparisons on which its rankings disagree, 0 to 1; none with fewer than two.
    disagreement = models.FloatField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["kind", "purpose", "state"], name="task_queue"),
            # A queue's latest tasks, whose use cases are compared with its targets. With the prompt
            # in it the table is not read at all, which the planner would rather walk through.
            models.Index(
                fields=["kind", "purpose", "-id"],
                name="task_latest",
                include=["prompt"],
                condition=~models.Q(state="expired"),
            ),
            models.Index(fields=["created_at"], name="task_lately"),
            models.Index(fields=["kind", "-id"], name="task_list_kind"),
            models.Index(fields=["state", "-id"], name="task_list_state"),
            models.Index(fields=["policy", "-id"], name="task_list_policy"),
            models.Index(
                fields=["-id"],
                name="task_disputed",
                include=["disagreement"],
                condition=models.Q(disagreement__gt=0),
            ),
            models.Index(
                fields=["-priority", "id"],
                name="task_to_sample",
                condition=models.Q(state="sampling"),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(prompt__isnull=False) | models.Q(kind="prompt_writing"),
                name="task_has_prompt",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} task {self.pk}"

    @property
    def of_kind(self) -> Kind:
        """What stands behind its kind."""
        return TASK_KINDS[self.kind]

    @property
    def asked(self) -> Prompt:
        """The prompt, which every kind but prompt writing has."""
        assert self.prompt is not None, "a constraint of the table"
        return self.prompt

    @cached_property
    def answers(self) -> dict[int, Answer]:
        """What labelers see of each completion, by its id; read once."""
        return {pk: Answer(text, reason == CUT) for pk, text, reason in _answers(self.pk)}


class Answer(NamedTuple):
    """A completion as it is shown: its text, and whether the length limit cut it."""

    text: str
    is_cut: bool


CUT = "length"
"""The `finish_reason` of a completion that the length limit ended."""


class Completion(models.Model):
    """What a model answered, and everything needed to make it answer so again."""

    # The finish reason of one that ended by itself; with any other it was cut.
    FINISHED = "stop"

    task = models.ForeignKey(LabelingTask, on_delete=models.PROTECT, related_name="completions")
    position = models.PositiveSmallIntegerField()
    # None of an answer that was imported: `sampling` says which model it is said to be of.
    version = models.ForeignKey(
        ModelVersion, null=True, on_delete=models.PROTECT, related_name="completions"
    )
    text = models.TextField()
    sampling = models.JSONField(help_text="Temperature, length limit and engine.")
    seed = models.BigIntegerField()
    finish_reason = models.CharField(max_length=16)
    prompt_tokens = models.PositiveIntegerField()
    completion_tokens = models.PositiveIntegerField()
    logprob = models.FloatField(null=True, blank=True, help_text="Sum over tokens, in nats.")
    latency_ms = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["task", "position"]
        indexes = [
            models.Index(fields=["created_at"], name="completion_lately"),
            models.Index(fields=["version", "-id"], name="completion_list_version"),
        ]
        constraints = [
            # A task delivered to two workers is sampled once.
            models.UniqueConstraint(fields=["task", "position"], name="completion_once")
        ]

    def __str__(self) -> str:
        return f"Completion {self.pk}"

    @property
    def finished(self) -> bool:
        """Whether it ended by itself; what follows another one was never said."""
        return self.finish_reason == self.FINISHED


@prepared.select
def _answers(task: int) -> models.QuerySet[Completion, tuple[int, str, str]]:
    rows = Completion.objects.filter(task=task).order_by()
    return rows.values_list("pk", "text", "finish_reason")


class Slot(models.Model):
    """One label that is wanted. Its kind, purpose and priority repeat the task's, so that claiming
    is one index look-up however many tasks there are."""

    class State(models.TextChoices):
        FREE = "free", "Free"
        HELD = "held", "Held"
        FILLED = "filled", "Filled"
        CLOSED = "closed", "Closed"

    task = models.ForeignKey(LabelingTask, on_delete=models.PROTECT, related_name="slots")
    number = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.FREE)
    labeler = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT
    )
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    kind = models.CharField(max_length=16, choices=TaskKind.choices)
    purpose = models.CharField(max_length=16, choices=Purpose.choices)
    priority = models.SmallIntegerField(default=0)
    topic = models.CharField(max_length=40, blank=True)
    split = models.CharField(max_length=16, choices=Split.choices, default=Split.TRAIN)
    # Of evaluations: the group of labelers that is wanted; blank is anybody.
    group = models.CharField(max_length=16, choices=LabelerProfile.Group.choices, blank=True)

    class Meta:
        ordering = ["-priority", "id"]
        indexes = [
            models.Index(
                fields=["kind", "purpose", "-priority", "id"],
                name="slot_next",
                condition=models.Q(state="free"),
            ),
            models.Index(
                fields=["kind", "purpose"], name="slot_held", condition=models.Q(state="held")
            ),
            # Since when a queue's oldest task waits.
            models.Index(
                fields=["kind", "purpose", "task"],
                name="slot_oldest",
                condition=models.Q(state="free"),
            ),
            # What held-out labelers may take, without a walk over what they may not.
            models.Index(
                fields=["kind", "purpose", "-priority", "id"],
                name="slot_next_held_out",
                condition=models.Q(state="free") & ~models.Q(purpose="training", split="train"),
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["task", "number"], name="slot_once"),
            models.UniqueConstraint(fields=["task", "labeler"], name="slot_labeler_once"),
            models.CheckConstraint(
                condition=models.Q(state__in=["free", "closed"], labeler__isnull=True)
                | models.Q(state__in=["held", "filled"], labeler__isnull=False),
                name="slot_labeler_matches_state",
            ),
        ]

    def __str__(self) -> str:
        return f"Slot {self.number} of task {self.task_id}"


class Assignment(models.Model):
    """One labeler's work on one task: the draft, and how it ended. Kept when the lease is lost.

    A reserved one comes next: it is held for some minutes while the one before is finished, and
    has not been shown yet.
    """

    class State(models.TextChoices):
        RESERVED = "reserved", "Reserved"
        ACTIVE = "active", "Active"
        LAPSED = "lapsed", "Lapsed"
        RELEASED = "released", "Released"
        SUBMITTED = "submitted", "Submitted"

    task = models.ForeignKey(LabelingTask, on_delete=models.PROTECT, related_name="assignments")
    labeler = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="assignments"
    )
    state = models.CharField(max_length=16, choices=State.choices, default=State.ACTIVE)
    guideline = models.ForeignKey(Guideline, null=True, on_delete=models.PROTECT)
    form = models.ForeignKey(FormVersion, null=True, on_delete=models.PROTECT)
    display_order = models.JSONField(default=list, help_text="Completion ids as they were shown.")
    reading_seconds = models.PositiveIntegerField(
        default=0, db_default=0, help_text="What the fastest reader needs for what was shown."
    )
    draft = models.JSONField(default=dict)
    draft_version = models.PositiveIntegerField(default=0)
    lease_expires_at = models.DateTimeField()
    release_reason = models.CharField(max_length=400, blank=True)
    submission_hash = models.CharField(max_length=64, blank=True)
    active_seconds = models.PositiveIntegerField(default=0, help_text="Once submitted.")
    claimed_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["labeler", "state"], name="assignment_mine"),
            models.Index(
                fields=["ended_at"],
                name="assignment_lately",
                condition=models.Q(state="submitted"),
            ),
            models.Index(
                fields=["lease_expires_at"],
                name="assignment_lease",
                condition=models.Q(state__in=["active", "reserved"]),
            ),
        ]
        constraints = [
            # A skipped or submitted task never comes back to the same labeler.
            models.UniqueConstraint(fields=["task", "labeler"], name="assignment_once")
        ]

    def __str__(self) -> str:
        return f"Assignment {self.pk}"
