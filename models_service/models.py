"""Which models exist, and which of them plays which role."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from django.conf import settings
from django.db import models

from models_service.engine_table import ENGINES, engine_choices, local_engines


class Kind(models.TextChoices):
    """How a version came to be."""

    BASE = "base", "Base"
    SFT = "sft", "Supervised"
    REWARD = "reward", "Reward model"
    POLICY = "policy", "Policy"


class VersionQuerySet(models.QuerySet["ModelVersion"]):
    """Versions by what they answer from."""

    def local(self) -> Self:
        """Those of a checkpoint folder of this installation, whether or not it is still there."""
        return self.filter(engine__in=local_engines())

    def remote(self) -> Self:
        """Those behind an endpoint."""
        return self.exclude(engine__in=local_engines())


class ModelVersion(models.Model):
    """One immutable set of weights, or one remote endpoint.

    A checkpoint is a Hugging Face folder below CHECKPOINT_DIR, named relative to it, so that
    several machines can mount it at different places.
    """

    name = models.CharField(max_length=120, unique=True)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    engine = models.CharField(max_length=16, choices=engine_choices, default="local")
    checkpoint = models.CharField(max_length=400, blank=True)
    endpoint = models.JSONField(default=dict, blank=True)
    prefix = models.TextField(blank=True, help_text="A system prompt put before every prompt.")
    best_of = models.PositiveSmallIntegerField(
        default=1,
        help_text="Of so many answers that the weights give, the judge's favourite is said.",
    )
    judge = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="judged",
        help_text="The reward model that chooses.",
    )
    sha256 = models.CharField(max_length=64, blank=True)
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="children"
    )
    figures = models.JSONField(default=dict, blank=True)
    check_report = models.JSONField(
        default=dict,
        blank=True,
        help_text="What was measured before it was taken up; empty where it was not checked.",
    )
    weights_removed_at = models.DateTimeField(null=True, blank=True)
    learned_from_erased_at = models.DateTimeField(
        null=True, blank=True, help_text="Since when some of what it learned from is erased."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = VersionQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind__in=Kind.values), name="version_kind_known"
            ),
            models.CheckConstraint(
                condition=~models.Q(checkpoint="") | ~models.Q(endpoint={}),
                name="version_has_weights_or_endpoint",
            ),
            models.CheckConstraint(
                condition=models.Q(best_of=1, judge=None)
                | models.Q(best_of__gt=1, judge__isnull=False),
                name="version_best_of_has_judge",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_local(self) -> bool:
        """Whether it answers from a checkpoint folder of this installation."""
        return self.engine in ENGINES and ENGINES[self.engine].is_local

    @property
    def folder(self) -> Path:
        """Where the weights lie on this machine."""
        return Path(settings.CHECKPOINT_DIR) / self.checkpoint


class EndpointKey(models.Model):
    """The key of a remote endpoint, sealed. Apart from its version, since a key is replaced."""

    version = models.OneToOneField(ModelVersion, on_delete=models.CASCADE, related_name="key")
    sealed = models.TextField(editable=False)
    changed_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"Key of {self.version}"


class Promotion(models.Model):
    """From this moment on, this version plays this role. Append-only; the newest row holds."""

    class Role(models.TextChoices):
        POLICY = "policy", "Policy"
        SFT = "sft", "Supervised baseline"
        REWARD = "reward", "Reward model"

    role = models.CharField(max_length=16, choices=Role.choices)
    version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="promotions")
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    reason = models.CharField(max_length=400, blank=True)
    evidence = models.JSONField(
        default=list, blank=True, help_text="The gates as they stood then, met or not."
    )
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        get_latest_by = "id"
        indexes = [models.Index(fields=["role", "-id"])]

    def __str__(self) -> str:
        return f"{self.version} as {self.role}"
