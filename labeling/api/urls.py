"""URLs of this app's API, below /api/v1/."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from labeling.api import (
    admin,
    agreement,
    assignments,
    guidelines,
    imports,
    lists,
    prompts,
    quarantine,
)
from labeling.models import Demonstration, Ranking

_ONE = "assignments/<int:pk>/"

urlpatterns: list[URLPattern | URLResolver] = [
    path("prompts/", prompts.PromptsView.as_view(), name="api-prompts"),
    path("prompts/<int:pk>/redact/", quarantine.RedactView.as_view(), name="prompt-redact"),
    path("prompts/<int:pk>/release/", quarantine.ReleaseView.as_view(), name="prompt-release"),
    path("prompts/<int:pk>/drop/", quarantine.DropView.as_view(), name="prompt-drop"),
    path("tasks/", lists.Tasks.as_view(), name="task-list"),
    path("labels/", lists.Labels.as_view(), name="label-list"),
    path("queues/", lists.Queues.as_view(), name="queue-list"),
    path("labelers/", lists.Labelers.as_view(), name="labeler-list"),
    path("agreement/", agreement.AgreementView.as_view(), name="api-agreement"),
    path("imports/", imports.ImportsView.as_view(), name="imports"),
    path("imports/<int:pk>/", imports.ImportView.as_view(), name="import"),
    path("imports/<int:pk>/content/", imports.ImportContentView.as_view(), name="import-content"),
    path("imports/<int:pk>/accept/", imports.ImportAcceptView.as_view(), name="import-accept"),
    path("imports/<int:pk>/cancel/", imports.ImportCancelView.as_view(), name="import-cancel"),
    path("imports/<int:pk>/bad-lines/", imports.ImportRejectsView.as_view(), name="import-bad"),
    path("guidelines/", guidelines.GuidelinesView.as_view(), name="api-guidelines"),
    path("guidelines/<int:pk>/", guidelines.GuidelineView.as_view(), name="api-guideline"),
    path(
        "guidelines/<int:pk>/read/",
        guidelines.GuidelineReadView.as_view(),
        name="api-guideline-read",
    ),
    path("forms/", guidelines.FormsView.as_view(), name="api-forms"),
    path("reviews/seen/", assignments.ReviewsSeenView.as_view(), name="api-reviews-seen"),
    path("topics/", assignments.TopicsView.as_view(), name="api-topics"),
    path("reports/<int:pk>/seen/", assignments.ReportSeenView.as_view(), name="api-report-seen"),
    path("assignments/claim/", assignments.ClaimView.as_view(), name="api-claim"),
    path(_ONE, assignments.AssignmentView.as_view(), name="api-assignment"),
    path(f"{_ONE}draft/", assignments.DraftView.as_view(), name="api-draft"),
    path(f"{_ONE}heartbeat/", assignments.HeartbeatView.as_view(), name="api-heartbeat"),
    path(f"{_ONE}next/", assignments.NextView.as_view(), name="api-next"),
    path(f"{_ONE}submit/", assignments.SubmitView.as_view(), name="api-submit"),
    path(f"{_ONE}amend/", assignments.AmendView.as_view(), name="api-amend"),
    path(f"{_ONE}report/", assignments.ReportView.as_view(), name="api-report"),
    path(f"{_ONE}use-case/", assignments.UseCaseView.as_view(), name="api-use-case"),
    path(f"{_ONE}release/", assignments.ReleaseView.as_view(), name="api-release"),
    path("queues/<int:pk>/mode/", admin.QueueMode.as_view(), name="queue-mode"),
    path("queues/<int:pk>/expire/", admin.QueueExpire.as_view(), name="queue-expire"),
    path("changes/<int:pk>/undo/", admin.UndoChange.as_view(), name="change-undo"),
    path("tasks/<int:pk>/adjudicate/", admin.AdjudicateView.as_view(), name="task-adjudicate"),
]
urlpatterns += [
    path(f"{kind}s/<int:pk>/{act}/", view.as_view(label=label), name=f"{kind}-{act}")
    for kind, label in (("ranking", Ranking), ("demonstration", Demonstration))
    for act, view in admin.LABEL_ACTS.items()
]
