"""Registers the labeling app and its checks."""

from django.apps import AppConfig
from django.core.checks import register

from labeling.checks import names_pipeline


class LabelingConfig(AppConfig):
    name = "labeling"

    def ready(self) -> None:
        """Once the settings are known."""
        register(names_pipeline)
