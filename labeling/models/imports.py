"""Files of prompts or labels on their way in."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.db import models

from core.jobs import Job


class Import(Job):
    """One file: received in pieces, checked row by row into staged rows, then stored all at once.

    `cursor` says how far it is checked and `received` how far it is here, so that either goes on
    where it stopped. `path` is the file's place where a command named it, else it lies under
    DATA_DIR/uploads.
    """

    class State(models.TextChoices):
        RECEIVING = "receiving", "Being uploaded"
        QUEUED = "queued", "Waiting to be checked"
        CHECKING = "checking", "Being checked"
        CHECKED = "checked", "Checked"
        ACCEPTED = "accepted", "Waiting to be imported"
        STORING = "storing", "Being imported"
        FINISHED = "finished", "Imported"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    class What(models.TextChoices):
        PROMPTS = "prompts", "Prompts"
        LABELS = "labels", "Labels"

    what = models.CharField(max_length=8, choices=What.choices, default=What.PROMPTS)
    # Of labels: {set, licence, split, columns}; see labeling.intake.labels.options.
    options = models.JSONField(default=dict)
    name = models.CharField(max_length=200)
    path = models.TextField(blank=True, editable=False)
    size = models.PositiveBigIntegerField()
    # With name and size what tells a file from others when its upload goes on; from the browser in
    # milliseconds, from a command in nanoseconds.
    modified = models.BigIntegerField(default=0, editable=False)
    received = models.PositiveBigIntegerField(default=0)
    state = models.CharField(max_length=16, choices=State.choices, default=State.RECEIVING)
    format = models.CharField(max_length=16, blank=True)
    cursor = models.JSONField(default=dict)
    # Of the rows checked so far: {rows, bad, personal: {kind: rows}, languages, use_cases}.
    tally = models.JSONField(default=dict)
    # What became of the rows, or would become; see Added in labeling.intake.prompts and in
    # labeling.intake.labels.storing.
    result = models.JSONField(default=dict)
    failure = models.TextField(blank=True)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["name", "size"], name="import_file")]

    def __str__(self) -> str:
        return f"Import {self.pk}"

    @property
    def file(self) -> Path:
        """Where its bytes are."""
        return Path(self.path) if self.path else settings.UPLOAD_DIR / str(self.pk)

    @property
    def progress_key(self) -> str:
        """Where the cache says how many rows are taken by a transaction that is under way."""
        return f"import-{self.pk}"


class StagedPrompt(models.Model):
    """A good row of an import that is not stored yet: its prompt, cleaned
    (labeling.intake.cleaning), and what was said of it where labels come in. A message tree gives
    several, numbered."""

    of = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="staged")
    line = models.PositiveBigIntegerField()
    number = models.PositiveIntegerField(default=0, db_default=0)
    # The row's own id, which no other row of the file may have.
    name = models.CharField(max_length=200, blank=True)
    examined = models.JSONField()
    # See labeling.intake.labels.parsed.
    label = models.JSONField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["of", "line", "number"], name="staged_once")]

    def __str__(self) -> str:
        return f"Line {self.line}"


class RejectedRow(models.Model):
    """A row of an import that is no prompt: its line from 1, why, and how it begins."""

    of = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="rejected")
    line = models.PositiveBigIntegerField()
    reason = models.TextField()
    text = models.TextField(blank=True)

    class Meta:
        ordering = ["line", "id"]
        indexes = [models.Index(fields=["of", "line", "id"], name="rejected_line")]

    def __str__(self) -> str:
        return f"Line {self.line}: {self.reason}"
