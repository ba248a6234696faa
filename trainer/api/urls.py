"""URLs of this app's API, below /api/v1/."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from trainer.api import checks, data, evaluations, monitoring, recipes, rounds, versions

_EVALUATION = "evaluations/<int:pk>/"
_FIGURE = "figures/<slug:name>.<slug:form>"

urlpatterns: list[URLPattern | URLResolver] = [
    path("exports/", data.ExportList.as_view(), name="export-list"),
    path("exports/<int:pk>/", data.ExportDetail.as_view(), name="export"),
    path("exports/<int:pk>/file/", data.ExportFile.as_view(), name="export-file"),
    path("erasures/", data.Erasures.as_view(), name="erasures"),
    path("evaluations/", evaluations.EvaluationList.as_view(), name="evaluation-list"),
    path("evaluations/plan/", evaluations.EvaluationPlan.as_view(), name="evaluation-plan"),
    path(_EVALUATION, evaluations.EvaluationDetail.as_view(), name="evaluation"),
    path(f"{_EVALUATION}close/", evaluations.EvaluationClose.as_view(), name="evaluation-close"),
    path(
        f"{_EVALUATION}measure/", evaluations.EvaluationMeasure.as_view(), name="evaluation-measure"
    ),
    path(
        f"{_EVALUATION}{_FIGURE}", evaluations.EvaluationFigure.as_view(), name="evaluation-figure"
    ),
    path("versions/checks/", checks.Checks.as_view(), name="version-checks"),
    path("versions/checks/<uuid:name>/", checks.CheckDetail.as_view(), name="version-check"),
    path("versions/<int:pk>/diagnosis/", evaluations.Diagnosis.as_view(), name="diagnosis"),
    path(
        f"versions/<int:pk>/diagnosis/{_FIGURE}",
        evaluations.DiagnosisFigure.as_view(),
        name="diagnosis-figure",
    ),
    path(
        f"versions/<int:pk>/divergence/{_FIGURE}",
        evaluations.DivergenceFigure.as_view(),
        name="divergence-figure",
    ),
    path("prompts/ask-again/", evaluations.AskAgain.as_view(), name="ask-again"),
    path("versions/<int:pk>/gates/", versions.VersionGates.as_view(), name="version-gates"),
    path("roles/<slug:role>/roll-back/", versions.RollBack.as_view(), name="roll-back"),
    path("rounds/", rounds.RoundList.as_view(), name="round-list"),
    path("rounds/check/", rounds.RoundCheck.as_view(), name="round-check"),
    path("rounds/<int:pk>/", rounds.RoundDetail.as_view(), name="round"),
    path("rounds/<int:pk>/metrics/", monitoring.RoundMetrics.as_view(), name="round-metrics"),
    path("rounds/<int:pk>/recipe.yaml", recipes.RoundRecipe.as_view(), name="round-recipe"),
    path("rounds/<int:pk>/curves.csv", monitoring.RoundTable.as_view(), name="round-csv"),
    path("rounds/<int:pk>/tensorboard.zip", monitoring.RoundEvents.as_view(), name="round-events"),
    path("rounds/<int:pk>/samples/", monitoring.RoundSamples.as_view(), name="round-samples"),
    path("rounds/<int:pk>/log/", monitoring.RoundLog.as_view(), name="round-log"),
    path("rounds/<int:pk>/pause/", rounds.PauseRound.as_view(), name="round-pause"),
    path("rounds/<int:pk>/resume/", rounds.ResumeRound.as_view(), name="round-resume"),
    path("rounds/<int:pk>/cancel/", rounds.CancelRound.as_view(), name="round-cancel"),
    path("rounds/<int:pk>/retry/", rounds.RetryRound.as_view(), name="round-retry"),
    path("rounds/<int:pk>/promote/", rounds.PromoteRound.as_view(), name="round-promote"),
    path("recipes/", recipes.Recipes.as_view(), name="recipe-list"),
    path("recipes/read/", recipes.RecipeReading.as_view(), name="recipe-reading"),
    path("recipes/<int:pk>/", recipes.RecipeDetail.as_view(), name="recipe"),
    path("recipes/<int:pk>/recipe.yaml", recipes.RecipeFile.as_view(), name="recipe-file"),
    path("schedules/", recipes.Schedules.as_view(), name="schedule-list"),
    path("schedules/<int:pk>/", recipes.ScheduleDetail.as_view(), name="schedule"),
    path("schedules/<int:pk>/pause/", recipes.PauseSchedule.as_view(), name="schedule-pause"),
    path("schedules/<int:pk>/resume/", recipes.ResumeSchedule.as_view(), name="schedule-resume"),
    path("versions/<int:pk>/lineage/", versions.VersionLineage.as_view(), name="version-lineage"),
    path("versions/<int:pk>/card/", versions.VersionCard.as_view(), name="version-card"),
    path(
        "versions/<int:pk>/checkpoint/",
        versions.VersionCheckpoint.as_view(),
        name="version-checkpoint",
    ),
    path(
        "labels/<slug:kind>/<int:pk>/lineage/",
        versions.LabelLineage.as_view(),
        name="label-lineage",
    ),
    path("versions/<int:pk>/promote/", rounds.PromoteVersion.as_view(), name="version-promote"),
]
