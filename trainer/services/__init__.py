"""Every write about rounds, one module a noun."""

from trainer.services.control import cancel, pause, resume, retry
from trainer.services.promotion import promote, promote_round, roll_back
from trainer.services.recipes import remove_recipe, save_recipe
from trainer.services.schedules import (
    add_schedule,
    pause_schedule,
    remove_schedule,
    resume_schedule,
    start_due,
)
from trainer.services.starting import (
    checked_recipe,
    checked_start,
    default_start,
    require_one_limit,
    start_round,
)
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
    "add_schedule",
    "begin",
    "cancel",
    "checked_recipe",
    "checked_start",
    "default_start",
    "fail_between_stages",
    "fail_round",
    "finish_round",
    "freeze_labels",
    "open_run",
    "pause",
    "pause_schedule",
    "promote",
    "promote_round",
    "remove_recipe",
    "remove_schedule",
    "require_one_limit",
    "resume",
    "resume_schedule",
    "retry",
    "roll_back",
    "save_recipe",
    "start_due",
    "start_round",
    "take_up_abandoned",
]
