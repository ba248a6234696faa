"""The tables of the trainer app, one module a noun."""

from trainer.models.data import Erasure, Export
from trainer.models.evaluation import Evaluation, Measurement
from trainer.models.recipes import SavedRecipe, Schedule
from trainer.models.rounds import LogLine, Metric, Sample, TrainingRound, TrainingRun
from trainer.models.snapshots import DatasetSnapshot, SnapshotLabel

__all__ = [
    "DatasetSnapshot",
    "Erasure",
    "Evaluation",
    "Export",
    "LogLine",
    "Measurement",
    "Metric",
    "Sample",
    "SavedRecipe",
    "Schedule",
    "SnapshotLabel",
    "TrainingRound",
    "TrainingRun",
]
