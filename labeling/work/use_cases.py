"""A labeler's word on what a prompt is for."""

from __future__ import annotations

from django.db import transaction

from accounts.models import User
from core.problems import Problem
from labeling.models import Prompt
from labeling.queues.steering import change_prompts
from labeling.work.ownership import own_open


@transaction.atomic
def set_use_case(*, assignment_id: int, labeler: User, use_case: str) -> None:
    """Set the use case of the prompt at hand; under Changes in the admin it can be undone.

    Raises Problem naming the field, and 409 where the task has ended or has no prompt yet.
    """
    assignment = own_open(assignment_id=assignment_id, labeler=labeler)
    if assignment.task.prompt_id is None:
        raise Problem(409, "This task has no prompt yet; its use case is set with the prompt.")
    prompts = Prompt.objects.filter(pk=assignment.task.prompt_id)
    change_prompts(prompts=prompts, field="use_case", value=use_case, by=labeler)
