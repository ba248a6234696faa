"""Making the slots of a task that opens."""

from __future__ import annotations

from labeling.models import LabelingTask, Slot
from labeling.models.prompts import Split


def slots_of(task: LabelingTask, *, overlap: int) -> list[Slot]:
    """The slots of a task, unsaved: one a label wanted."""
    prompt = task.prompt
    return [
        Slot(
            task=task,
            number=number,
            kind=task.kind,
            purpose=task.purpose,
            priority=task.priority,
            topic=prompt.topic if prompt else "",
            split=prompt.split if prompt else Split.TRAIN,
        )
        for number in range(1, overlap + 1)
    ]
