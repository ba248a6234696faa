"""The tables of the labeling app, one module a noun."""

from labeling.models.changes import BulkChange
from labeling.models.clients import ClientDay, ClientProfile, ClientRequest
from labeling.models.demonstrations import Demonstration
from labeling.models.evaluations import HeadToHead
from labeling.models.exports import ExportKey
from labeling.models.guidelines import FormVersion, Guideline, GuidelineRead
from labeling.models.imports import Import, RejectedRow, StagedPrompt
from labeling.models.labelers import LabelerProfile
from labeling.models.origins import LabelOrigin, LabelSet
from labeling.models.prompts import Prompt, QuarantinedPrompt, UseCase
from labeling.models.rankings import RankedCompletion, Ranking
from labeling.models.reports import Report
from labeling.models.reviews import Review
from labeling.models.tasks import Assignment, Completion, LabelingTask, Queue, Slot, TaskKind

__all__ = [
    "Assignment",
    "BulkChange",
    "ClientDay",
    "ClientProfile",
    "ClientRequest",
    "Completion",
    "Demonstration",
    "ExportKey",
    "FormVersion",
    "Guideline",
    "GuidelineRead",
    "HeadToHead",
    "Import",
    "LabelOrigin",
    "LabelSet",
    "LabelerProfile",
    "LabelingTask",
    "Prompt",
    "QuarantinedPrompt",
    "Queue",
    "RankedCompletion",
    "Ranking",
    "RejectedRow",
    "Report",
    "Review",
    "Slot",
    "StagedPrompt",
    "TaskKind",
    "UseCase",
]
