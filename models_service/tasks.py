"""What the sampling worker does for this app."""

from __future__ import annotations

from celery import shared_task

from models_service import playground


@shared_task(name="models_service.tasks.play")
def play(name: str) -> None:
    """Answer a playground prompt; harmless when done twice."""
    playground.perform(name)
