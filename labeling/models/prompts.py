"""Prompts: what a model is asked, by whom, and on which side of the split."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models.functions import Random


class UseCase(models.TextChoices):
    """The ten use cases of Ouyang et al. 2022, Table 1."""

    GENERATION = "generation", "Generation"
    OPEN_QA = "open_qa", "Open QA"
    BRAINSTORMING = "brainstorming", "Brainstorming"
    CHAT = "chat", "Chat"
    REWRITE = "rewrite", "Rewrite"
    SUMMARIZATION = "summarization", "Summarization"
    CLASSIFICATION = "classification", "Classification"
    OTHER = "other", "Other"
    CLOSED_QA = "closed_qa", "Closed QA"
    EXTRACT = "extract", "Extract"


class Split(models.TextChoices):
    """Fixed at intake by a hash of the organisation, else the author, or by the set that a label
    came in; the database checks it and refuses every change (migrations 0012, 0027)."""

    TRAIN = "train", "Training"
    VALIDATION = "validation", "Validation"
    TEST = "test", "Test"


class Prompt(models.Model):
    """One conversation that waits for an answer.

    `messages` is a list of {role, content}, the last one from the user. A few-shot prompt keeps its
    `instruction` and `examples` ({input, output} pairs) apart as well, so that it can be expanded.
    """

    class Kind(models.TextChoices):
        PLAIN = "plain", "Plain"
        FEW_SHOT = "few_shot", "Few-shot"
        USER_BASED = "user_based", "User-based"

    class State(models.TextChoices):
        ACTIVE = "active", "Active"
        QUARANTINED = "quarantined", "Quarantined"
        DUPLICATE = "duplicate", "Duplicate"
        WITHDRAWN = "withdrawn", "Withdrawn"

    class Source(models.TextChoices):
        IMPORT = "import", "Import"
        API = "api", "API"
        LABELER = "labeler", "Labeler"
        DEMO = "demo", "Demo"
        # Came with a label, to be learned from: no queue asks it.
        LABELS = "labels", "Imported with labels"

    messages = models.JSONField()
    kind = models.CharField(max_length=16, choices=Kind.choices, default=Kind.PLAIN)
    instruction = models.TextField(blank=True)
    examples = models.JSONField(default=list, blank=True)
    use_case = models.CharField(max_length=16, choices=UseCase.choices, default=UseCase.OTHER)
    topic = models.CharField(max_length=40, blank=True, help_text="A topic a labeler can decline.")
    language = models.CharField(max_length=8, blank=True)
    author = models.CharField(max_length=200, blank=True)
    organisation = models.CharField(max_length=200, blank=True)
    source = models.CharField(max_length=16, choices=Source.choices)
    split = models.CharField(max_length=16, choices=Split.choices)
    state = models.CharField(max_length=16, choices=State.choices, default=State.ACTIVE)
    duplicate_of = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL)
    # A labeler's amended prompt takes the place of one that is withdrawn and kept.
    supersedes = models.OneToOneField(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="superseded_by"
    )
    fingerprint = models.CharField(max_length=64, unique=True, editable=False)
    # Shared with other prompts that begin alike; see labeling.intake.dedupe.
    prefix_fingerprint = models.CharField(max_length=64, blank=True, editable=False)
    # Shared with prompts that are alike; see labeling.intake.dedupe.
    bands = ArrayField(models.BigIntegerField(), default=list, blank=True, editable=False)
    # Where personal data stands: {part, start, end, kind}; see labeling.intake.parts for the names
    # of parts. It stays when the prompt is released, and goes with the text when it is redacted.
    spans = models.JSONField(default=list, blank=True, editable=False)
    priority = models.SmallIntegerField(default=0)
    # How far reward models disagree about its completions; whoever measures it writes it here, and
    # a queue's rules may ask for it.
    uncertainty = models.FloatField(null=True, blank=True, editable=False)
    # A random place in the queue, so that one author's prompts do not come in a row and the next
    # prompt is an index look-up however many there are.
    shuffle = models.FloatField(db_default=Random(), editable=False)
    # How often a queue has asked it; within a priority, whoever was asked goes behind the others,
    # so that a queue need not walk over them.
    drawn = models.PositiveIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["-priority", "drawn", "shuffle"],
                name="prompt_next",
                condition=models.Q(state="active"),
            ),
            # The same within what targets and rules name.
            models.Index(
                fields=["use_case", "-priority", "drawn", "shuffle"],
                name="prompt_next_of_use_case",
                condition=models.Q(state="active"),
            ),
            models.Index(
                fields=["uncertainty"],
                name="prompt_uncertain",
                condition=models.Q(uncertainty__isnull=False),
            ),
            models.Index(fields=["author"], name="prompt_author"),
            models.Index(
                fields=["prefix_fingerprint"],
                name="prompt_prefix",
                condition=~models.Q(prefix_fingerprint=""),
            ),
            # Looked up in every intake, so nothing may wait in a list beside it.
            GinIndex(
                fields=["bands"],
                name="prompt_bands",
                fastupdate=False,
                condition=models.Q(duplicate_of__isnull=True),
            ),
            models.Index(
                fields=["id"],
                name="prompt_quarantined",
                condition=models.Q(state="quarantined"),
            ),
            models.Index(fields=["use_case", "state"], name="prompt_use_case"),
            models.Index(fields=["topic"], name="prompt_topic", condition=~models.Q(topic="")),
            models.Index(
                fields=["organisation"],
                name="prompt_organisation",
                condition=~models.Q(organisation=""),
            ),
            # The admin's lists, newest first, of what is rare as well as of what is not.
            models.Index(fields=["state", "-id"], name="prompt_list_state"),
            models.Index(fields=["source", "-id"], name="prompt_list_source"),
            models.Index(fields=["kind", "-id"], name="prompt_list_kind"),
            models.Index(fields=["split", "-id"], name="prompt_list_split"),
            models.Index(fields=["language", "-id"], name="prompt_list_language"),
            models.Index(fields=["created_at"], name="prompt_lately"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(split__in=Split.values), name="prompt_split_known"
            ),
            models.CheckConstraint(
                condition=models.Q(use_case__in=UseCase.values), name="prompt_use_case_known"
            ),
            # An erased prompt is asked no more.
            models.CheckConstraint(
                condition=~models.Q(fingerprint__startswith="erased-")
                | models.Q(state="withdrawn"),
                name="prompt_erased_stays_out",
            ),
        ]

    def __str__(self) -> str:
        return f"Prompt {self.pk}"

    @property
    def last_message(self) -> str:
        """What the model is asked to answer."""
        return str(self.messages[-1]["content"])


class QuarantinedPrompt(Prompt):
    """A prompt that holds personal data and waits for an admin; a table of its own in the admin."""

    class Meta:
        proxy = True
        verbose_name = "prompt in quarantine"
        verbose_name_plural = "prompts in quarantine"
