"""How far the installation's labelers agree, over HTTP. Labelers go by their pseudonyms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from accounts.permissions import IsResearcher
from labeling.exports.pseudonyms import pseudonyms
from labeling.intervals import Interval
from labeling.people.agreement import PAPER
from labeling.people.agreement_figures import (
    BREAKDOWNS,
    Figures,
    flag_agreement,
    matrix,
    overall,
    parts,
    with_themselves,
)
from labeling.people.agreement_reads import MOST_TASKS, flag_names, overlaps, repeats


class IntervalShape(serializers.Serializer[Any]):
    """A figure with its 95 % interval, clustered by task."""

    value = serializers.FloatField(source="estimate")
    low = serializers.FloatField()
    high = serializers.FloatField()


class FiguresShape(serializers.Serializer[Any]):
    """`rate` is the share of comparisons that two labelers made alike, as the paper counts it,
    `alpha` Krippendorff's of their ranks (0 is chance, 1 perfect), `tau` the mean of Kendall's τ-b
    between two labelers of a task. Null where nothing tells it."""

    rate = IntervalShape(allow_null=True)
    alpha = IntervalShape(allow_null=True)
    tau = IntervalShape(allow_null=True)
    comparisons = serializers.IntegerField()
    tasks = serializers.IntegerField(help_text="Ranked by more than one labeler.")


class PartShape(FiguresShape):
    """The same over a part of the tasks."""

    name = serializers.CharField()


class AgreementShape(FiguresShape):
    paper = serializers.FloatField(help_text="The rate between the paper's labelers.")
    most_tasks = serializers.IntegerField(help_text="So many of the newest tasks are looked at.")
    parts = PartShape(many=True, required=False, help_text="Where `by` asks for them.")


class PairShape(serializers.Serializer[Any]):
    """Two labelers, over the tasks that both ranked. `kappa` is Cohen's, over the verdicts better,
    tied, worse."""

    labelers = serializers.ListField(child=serializers.CharField(), min_length=2, max_length=2)
    rate = IntervalShape(allow_null=True)
    kappa = IntervalShape(allow_null=True)
    comparisons = serializers.IntegerField()
    tasks = serializers.IntegerField()


class FlagShape(serializers.Serializer[Any]):
    """`rate` is the share of pairs of labelers who both set the flag or both did not, `alpha` that
    beyond chance, `share` how often it is set."""

    flag = serializers.CharField()
    rate = IntervalShape(allow_null=True)
    alpha = IntervalShape(allow_null=True)
    share = serializers.FloatField()
    judgments = serializers.IntegerField()


class OneselfShape(FiguresShape):
    """A labeler's rankings of what they had ranked before."""

    labeler = serializers.CharField()


class ByShape(serializers.Serializer[Any]):
    by = serializers.ChoiceField([*BREAKDOWNS], required=False)


class AgreementView(APIView):
    permission_classes = [IsResearcher]

    @extend_schema(parameters=[ByShape], responses=AgreementShape)
    def get(self, request: Request) -> Response:
        """How far labelers agree, from tasks that more than one has ranked; with `by`, also in
        parts. Under `group` and `guideline`, labelers meet those of the same one."""
        if unknown := set(request.query_params) - {"by"}:
            raise ValidationError(
                {key: ["There is no such filter; there is by."] for key in unknown}
            )
        asked = ByShape(data=request.query_params)
        asked.is_valid(raise_exception=True)
        tasks = overlaps()
        found = _told(overall(tasks)) | {"paper": PAPER, "most_tasks": MOST_TASKS}
        if by := asked.validated_data.get("by"):
            found["parts"] = [
                _told(part) | {"name": name} for name, part in parts(tasks, by).items()
            ]
        return Response(AgreementShape(found).data)


class AgreementPairsView(APIView):
    permission_classes = [IsResearcher]

    @extend_schema(responses=PairShape(many=True))
    def get(self, request: Request) -> Response:
        """Each pair of labelers with a task in common."""
        pairs, name_of = matrix(overlaps()), _names()
        return Response(
            [
                PairShape(
                    vars(pair) | {"labelers": [name_of(pair.first), name_of(pair.second)]}
                ).data
                for pair in pairs
            ]
        )


class AgreementFlagsView(APIView):
    permission_classes = [IsResearcher]

    @extend_schema(responses=FlagShape(many=True))
    def get(self, request: Request) -> Response:
        """How far labelers agree on each flag of the newest form, the least first."""
        names = [name for name, _ in flag_names()]
        return Response(FlagShape(flag_agreement(overlaps(), names), many=True).data)


class AgreementOneselfView(APIView):
    permission_classes = [IsResearcher]

    @extend_schema(responses=OneselfShape(many=True))
    def get(self, request: Request) -> Response:
        """How far each labeler agrees with what they said of the same completions before."""
        found, name_of = with_themselves(repeats()), _names()
        rows = [_told(one) | {"labeler": name_of(labeler)} for labeler, one in found.items()]
        return Response(OneselfShape(rows, many=True).data)


def _told(figures: Figures) -> dict[str, Interval | int | Any]:
    return dict(vars(figures))


def _names() -> Callable[[int], str]:
    """From an account's number to the pseudonym that exports carry."""
    inner, name_of = dict(User.objects.values_list("pk", "pseudonym")), pseudonyms()
    return lambda pk: name_of(str(inner[pk]))
