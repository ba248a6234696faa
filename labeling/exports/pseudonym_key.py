"""The key that labelers' pseudonyms are made with, made once and kept sealed."""

from __future__ import annotations

import secrets

from labeling.models import ExportKey
from models_service.secrets import seal, unseal


def export_key() -> bytes:
    """The installation's key; the first call makes it. Raises SealBroken under another
    SECRET_KEY: a new key would give the same people other names without anybody's notice."""
    fresh = seal(secrets.token_urlsafe(32))
    kept, _ = ExportKey.objects.get_or_create(only=True, defaults={"sealed": fresh})
    return unseal(kept.sealed).encode()
