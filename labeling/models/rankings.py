"""Rankings: how good each completion is, and their order, ties allowed."""

from __future__ import annotations

from django.contrib.postgres.indexes import GinIndex
from django.db import models

from labeling.models.demonstrations import Label
from labeling.models.guidelines import FormVersion
from labeling.models.prompts import Prompt
from labeling.models.tasks import Completion


class Ranking(Label):
    """One labeler's order of all completions of a task. Immutable."""

    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="rankings")
    form = models.ForeignKey(FormVersion, null=True, on_delete=models.PROTECT)
    display_order = models.JSONField(default=list)
    contradictions = models.JSONField(default=list, db_default=[])
    # In less active time than anybody needs to read what there was to read.
    too_fast = models.BooleanField(default=False, db_default=False)
    # Where labelers disagreed: the ranking that stands in this one's place. One that somebody at
    # the admin wrote for that has no assignment.
    adjudicated_by = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="adjudicates"
    )

    def __str__(self) -> str:
        return f"Ranking {self.pk}"


class RankedCompletion(models.Model):
    """A completion's place in a ranking: 1 is best, equal ranks are a tie."""

    ranking = models.ForeignKey(Ranking, on_delete=models.CASCADE, related_name="ranked")
    completion = models.ForeignKey(Completion, on_delete=models.PROTECT, related_name="ranked")
    rank = models.PositiveSmallIntegerField()
    # None where a ranking came in without ratings.
    overall = models.PositiveSmallIntegerField(null=True)
    flags = models.JSONField(default=list)

    class Meta:
        ordering = ["ranking", "rank", "id"]
        indexes = [GinIndex(fields=["flags"], opclasses=["jsonb_path_ops"], name="ranked_flags")]
        constraints = [
            models.UniqueConstraint(fields=["ranking", "completion"], name="ranked_once"),
            models.CheckConstraint(
                condition=models.Q(overall__gte=1, overall__lte=7), name="ranked_likert"
            ),
            models.CheckConstraint(condition=models.Q(rank__gte=1), name="ranked_rank_positive"),
        ]

    def __str__(self) -> str:
        return f"Rank {self.rank} in ranking {self.ranking_id}"
