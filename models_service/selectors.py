"""Reads about models: which version plays a role, and where a version came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet

from models_service.models import Kind, ModelVersion, Promotion


def promoted(role: str) -> ModelVersion | None:
    """The version that plays this role now, or None before the first promotion."""
    newest = Promotion.objects.filter(role=role).select_related("version").order_by("-id").first()
    return newest.version if newest else None


def former(role: str) -> ModelVersion | None:
    """The version that played the role before the one that plays it now, if its weights remain."""
    now = promoted(role)
    others = Promotion.objects.filter(role=role, version__weights_removed_at=None)
    newest = others.exclude(version=now).select_related("version").order_by("-id").first()
    return newest.version if newest else None


def players() -> dict[str, ModelVersion | None]:
    """Who plays each role now."""
    return {role: promoted(role) for role in Promotion.Role.values}


def roles(version: ModelVersion, current: Mapping[str, Any] | None = None) -> list[str]:
    """The roles this version plays now; `current` are the players where they are known."""
    return [role for role, player in (current or players()).items() if player == version]


def speakers(limit: int) -> list[ModelVersion]:
    """The newest versions that can speak, those that play a role first."""
    players = [player for role in Promotion.Role.values if (player := promoted(role))]
    newest = list(_with_weights().exclude(kind=Kind.REWARD)[:limit])
    is_promoted = [player for player in players if player.kind != Kind.REWARD]
    return list(dict.fromkeys([*is_promoted, *newest]))[:limit]


def judges(limit: int) -> list[ModelVersion]:
    """The newest reward models, the promoted one first."""
    newest = list(_with_weights().filter(kind=Kind.REWARD)[:limit])
    office = [player] if (player := promoted(Promotion.Role.REWARD)) else []
    return list(dict.fromkeys([*office, *newest]))[:limit]


def _with_weights() -> QuerySet[ModelVersion]:
    return ModelVersion.objects.filter(weights_removed_at=None)


def ancestors(version: ModelVersion) -> list[ModelVersion]:
    """The versions this one was trained from, nearest first."""
    line: list[ModelVersion] = []
    parent = version.parent
    while parent is not None:
        line.append(parent)
        parent = parent.parent
    return line


def check_report(version: ModelVersion) -> Mapping[str, Any]:
    """What the check found of this version, else of the nearest it was trained from, whose
    architecture and chat template it has; empty where none was checked."""
    line = [version, *ancestors(version)]
    return next((one.check_report for one in line if one.check_report), {})
