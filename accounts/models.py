"""The people of an installation, one role each, and the log of what those who run it did."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models


class Role(models.TextChoices):
    """What someone came to do. Nobody has two; an admin may do everything."""

    LABELER = "labeler", "Labeler"
    RESEARCHER = "researcher", "Researcher"
    ADMIN = "admin", "Admin"
    CLIENT = "client", "API client"


class User(AbstractUser):
    """An account. The pseudonym stands for the person wherever labels leave the installation."""

    role = models.CharField(max_length=16, choices=Role.choices, default=Role.LABELER)
    pseudonym = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)

    REQUIRED_FIELDS = ["role"]

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="user_role_known")
        ]

    @property
    def runs_the_desk(self) -> bool:
        """Whether the admin site is open to this account."""
        return self.is_active and self.role in (Role.RESEARCHER, Role.ADMIN)


class TokenGrant(models.Model):
    """What one API token is for and may do; knox's row beside it has its hash and its end.

    A rotation gives the grant a new row of knox, so its id stays.
    """

    token = models.OneToOneField(
        "knox.AuthToken", on_delete=models.CASCADE, related_name="grant", editable=False
    )
    name = models.CharField(max_length=80, blank=True)
    # Of `accounts.scopes.Scope`; empty is no limit.
    scopes = ArrayField(models.CharField(max_length=16), default=list, blank=True)
    last_used_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = "API token"

    def __str__(self) -> str:
        return self.name or f"API token {self.pk}"


class AuditEntry(models.Model):
    """One administrative act; see `accounts.audit`. The database refuses to change or delete it."""

    at = models.DateTimeField(auto_now_add=True)
    # Nobody: a command or the system itself.
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    act = models.CharField(max_length=40)
    target_kind = models.CharField(max_length=80, blank=True)
    target_id = models.BigIntegerField(null=True)
    detail = models.JSONField(default=dict, encoder=DjangoJSONEncoder)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["at"], name="audit_at"),
            models.Index(fields=["act", "-id"], name="audit_act"),
            models.Index(fields=["by", "-id"], name="audit_by"),
            models.Index(fields=["target_id", "target_kind"], name="audit_target"),
            GinIndex(SearchVector("detail", config="simple"), name="audit_words"),
        ]

    def __str__(self) -> str:
        return f"Entry {self.pk}"
