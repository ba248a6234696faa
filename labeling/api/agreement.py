"""How far the installation's labelers agree, over HTTP."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.permissions import IsResearcher
from labeling.intervals import Interval
from labeling.people.agreement import PAPER, across, among, ranking_alpha
from labeling.people.agreement_reads import overlapping_rankings


class IntervalShape(serializers.Serializer[Any]):
    """A figure with its 95 % interval, clustered by task."""

    value = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()


class AgreementShape(serializers.Serializer[Any]):
    """`rate` is the share of comparisons that two labelers made alike, as the paper counts it, and
    `alpha` Krippendorff's of their ranks: 0 is chance, 1 perfect. Null where nothing overlaps."""

    rate = IntervalShape(allow_null=True)
    alpha = IntervalShape(allow_null=True)
    comparisons = serializers.IntegerField()
    tasks = serializers.IntegerField(help_text="Ranked by more than one labeler.")
    paper = serializers.FloatField(help_text="The rate between the paper's labelers.")


class AgreementView(APIView):
    permission_classes = [IsResearcher]

    @extend_schema(responses=AgreementShape)
    def get(self, request: Request) -> Response:
        """How far labelers agree, from tasks that more than one has ranked."""
        tasks = overlapping_rankings()
        found = across(among(rankings) for rankings in tasks)
        return Response(
            {
                "rate": _shape(found.interval),
                "alpha": _shape(ranking_alpha(tasks)),
                "comparisons": found.total,
                "tasks": len(tasks),
                "paper": PAPER,
            }
        )


def _shape(found: Interval | None) -> dict[str, float] | None:
    if found is None:
        return None
    return {"value": found.estimate, "low": found.low, "high": found.high}
