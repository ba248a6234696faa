"""The pages of researchers and admins about learning, one module a part of the side bar."""

from trainer.admin.data import ErasureAdmin, ExportAdmin
from trainer.admin.evaluation import EvaluationAdmin, HeadToHeadAdmin
from trainer.admin.recipes import SavedRecipeAdmin, ScheduleAdmin
from trainer.admin.rounds import DatasetSnapshotAdmin, TrainingRoundAdmin

__all__ = [
    "DatasetSnapshotAdmin",
    "ErasureAdmin",
    "EvaluationAdmin",
    "ExportAdmin",
    "HeadToHeadAdmin",
    "SavedRecipeAdmin",
    "ScheduleAdmin",
    "TrainingRoundAdmin",
]
