"""Every write about rounds, one module a noun."""

from trainer.services.control import cancel, pause, resume, retry
from trainer.services.promotion import promote, promote_round
from trainer.services.starting import checked_recipe, start_round
from trainer.services.steps import (
    begin,
    fail_between_stages,
    fail_round,
    finish_round,
    freeze_labels,
    open_run,
    take_up_abandoned,
)

__all__ = [
    "begin",
    "cancel",
    "checked_recipe",
    "fail_between_stages",
    "fail_round",
    "finish_round",
    "freeze_labels",
    "open_run",
    "pause",
    "promote",
    "promote_round",
    "resume",
    "retry",
    "start_round",
    "take_up_abandoned",
]
