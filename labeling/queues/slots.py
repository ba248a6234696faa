"""Making the slots of a task that opens."""

from __future__ import annotations

from labeling.models import LabelerProfile, LabelingTask, Slot
from labeling.models.prompts import Split


def slots_of(task: LabelingTask, *, overlap: int) -> list[Slot]:
    """The slots of a task, unsaved: one a label wanted, of an evaluation by group."""
    prompt = task.prompt
    groups = _groups(task) or [""] * overlap
    return [
        Slot(
            task=task,
            number=number,
            kind=task.kind,
            purpose=task.purpose,
            priority=task.priority,
            topic=prompt.topic if prompt else "",
            split=prompt.split if prompt else Split.TRAIN,
            group=group,
        )
        for number, group in enumerate(groups, start=1)
    ]


def _groups(task: LabelingTask) -> list[str]:
    wanted = task.head_to_head
    if wanted is None:
        return []
    training, held_out = LabelerProfile.Group.TRAINING.value, LabelerProfile.Group.HELD_OUT.value
    return [training] * wanted.labels_training + [held_out] * wanted.labels_held_out
