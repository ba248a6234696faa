"""Where labels that were not made here come from."""

from __future__ import annotations

from django.db import models

from labeling.models.imports import Import


class LabelSet(models.Model):
    """A set of labels somebody published, or that an installation brought, under one licence."""

    name = models.CharField(max_length=120)
    # Blank where nobody said one: the set is taken to be the installation's own.
    licence = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["name", "licence"]
        constraints = [models.UniqueConstraint(fields=["name", "licence"], name="label_set_once")]

    def __str__(self) -> str:
        return f"{self.name} ({self.licence or 'licence not stated'})"


class LabelOrigin(models.Model):
    """One imported label's origin: its set, its row there, who gave it and when.

    It belongs to the label's task, so that a label, its completions and its prompt all lead to it.
    """

    of = models.ForeignKey(LabelSet, on_delete=models.PROTECT, related_name="origins")
    # The import is forgotten after a while, the label is not.
    imported = models.ForeignKey(
        Import, null=True, on_delete=models.SET_NULL, related_name="origins"
    )
    # The shape of the row, one of labeling.intake.labels.shapes.
    form = models.CharField(max_length=24)
    row = models.CharField(max_length=200, blank=True)
    line = models.PositiveBigIntegerField()
    # A pseudonym of the set's own; blank where it names nobody.
    labeler = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField(null=True)
    # What the row said of itself that an export says again.
    said = models.JSONField(default=dict)
    # Of all that the row says: the same set's row is not taken twice.
    digest = models.CharField(max_length=64)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["digest"], name="origin_digest"),
            models.Index(
                fields=["labeler"], name="origin_labeler", condition=~models.Q(labeler="")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.of.name}, line {self.line}"
