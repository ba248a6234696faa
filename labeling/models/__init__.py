"""The tables of the labeling app, one module a noun."""

from labeling.models.changes import BulkChange
from labeling.models.demonstrations import Demonstration
from labeling.models.evaluations import HeadToHead
from labeling.models.exports import ExportKey
from labeling.models.guidelines import FormVersion, Guideline, GuidelineRead
from labeling.models.labelers import LabelerProfile
from labeling.models.prompts import Prompt, UseCase
from labeling.models.rankings import RankedCompletion, Ranking
from labeling.models.reports import Report
from labeling.models.reviews import Review
from labeling.models.tasks import Assignment, Completion, LabelingTask, Queue, Slot, TaskKind

__all__ = [
    "Assignment",
    "BulkChange",
    "Completion",
    "Demonstration",
    "ExportKey",
    "FormVersion",
    "Guideline",
    "GuidelineRead",
    "HeadToHead",
    "LabelerProfile",
    "LabelingTask",
    "Prompt",
    "Queue",
    "RankedCompletion",
    "Ranking",
    "Report",
    "Review",
    "Slot",
    "TaskKind",
    "UseCase",
]
