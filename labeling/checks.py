"""What must be installed for the settings to hold; asked when any command starts."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error


def names_pipeline(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """A pipeline that finds names has to be there: prompts must not come in unlooked at."""
    missing = [
        name for name in ("spacy", settings.NAMES_PIPELINE) if name and find_spec(name) is None
    ]
    if not settings.NAMES_PIPELINE or not missing:
        return []
    return [
        Error(
            f"NAMES_PIPELINE is {settings.NAMES_PIPELINE!r}, but {missing[0]} is not installed.",
            hint="Install it, or unset NAMES_PIPELINE: no names are looked for then.",
            id="labeling.E001",
        )
    ]
