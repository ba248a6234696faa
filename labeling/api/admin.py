"""What the admin does with labels and queues: review, adjudicate, steer, undo. Researchers."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.permissions import IsResearcher, person
from core.bodies import Sent, takes
from core.problems import Problem
from labeling.api import serializers
from labeling.models import BulkChange, Demonstration, LabelingTask, Queue, Ranking
from labeling.queues import steering
from labeling.review import reviews


class LabelAct(APIView):
    """Something done with one label; the answer says whether it counts then."""

    permission_classes = [IsResearcher]
    label: type[Demonstration] | type[Ranking] = Ranking

    def done(self, request: Request, pk: int, **sent: Any) -> Response:
        """Act, and answer."""
        label: Any = get_object_or_404(self.label, pk=pk)
        self.act(label=label, by=person(request), **sent)
        label.refresh_from_db()
        return Response({"id": label.pk, "counts": label.excluded_at is None})

    def act(self, **arguments: Any) -> None:
        """Call the service."""
        raise NotImplementedError


class CommentLabel(LabelAct):
    """Tell the labeler something about it."""

    @takes(serializers.SaidBody, responses=serializers.Counts)
    def post(self, request: Request, sent: Sent, pk: int) -> Response:
        return self.done(request, pk, **sent)

    def act(self, **arguments: Any) -> None:
        reviews.comment(**arguments)


class SendLabelBack(LabelAct):
    """Let its labeler do it again, beginning with what was submitted."""

    @takes(serializers.SaidBody, responses=serializers.Counts)
    def post(self, request: Request, sent: Sent, pk: int) -> Response:
        return self.done(request, pk, **sent)

    def act(self, **arguments: Any) -> None:
        reviews.send_back(**arguments)


class ExcludeLabel(LabelAct):
    """Take it out of the data; it stays to be read and can be restored."""

    @takes(serializers.ReasonBody, responses=serializers.Counts)
    def post(self, request: Request, sent: Sent, pk: int) -> Response:
        return self.done(request, pk, **sent)

    def act(self, **arguments: Any) -> None:
        reviews.exclude(**arguments)


class RestoreLabel(LabelAct):
    """Let it count again."""

    @extend_schema(request=None, responses=serializers.Counts)
    def post(self, request: Request, pk: int) -> Response:
        return self.done(request, pk)

    def act(self, **arguments: Any) -> None:
        reviews.restore(**arguments)


LABEL_ACTS: dict[str, type[LabelAct]] = {
    "comment": CommentLabel,
    "send-back": SendLabelBack,
    "exclude": ExcludeLabel,
    "restore": RestoreLabel,
}


class AdjudicateView(APIView):
    permission_classes = [IsResearcher]

    @takes(serializers.AdjudicateBody, responses=serializers.Stands)
    def post(self, request: Request, sent: Sent, pk: int) -> Response:
        """Let one ranking of a task stand for the others: one that is there, or a new one."""
        task = get_object_or_404(LabelingTask, pk=pk)
        chosen, tiers = sent.get("ranking"), sent.get("tiers")
        if (chosen is None) == (tiers is None):
            raise Problem(400, "Name a ranking that is there, or give the tiers of a new one.")
        if tiers is not None:
            ranking = reviews.write_adjudicated(task=task, tiers=tiers, by=person(request))
            return Response({"ranking": ranking.pk})
        ranking = get_object_or_404(Ranking, pk=chosen)
        reviews.adjudicate(task=task, chosen=ranking, by=person(request))
        return Response({"ranking": ranking.pk})


class QueueMode(APIView):
    permission_classes = [IsResearcher]

    @takes(serializers.ModeBody, responses=serializers.ModeBody)
    def post(self, request: Request, sent: Sent, pk: int) -> Response:
        """Let a queue run, drain (finish what is open) or pause (hand out nothing)."""
        queue = get_object_or_404(Queue, pk=pk)
        steering.set_mode(queue=queue, by=person(request), **sent)
        return Response(sent)


class QueueExpire(APIView):
    permission_classes = [IsResearcher]

    @extend_schema(request=None, responses=serializers.Changed)
    def post(self, request: Request, pk: int) -> Response:
        """Expire what waits in a queue and nobody has begun."""
        queue = get_object_or_404(Queue, pk=pk)
        change = steering.expire_waiting(queue=queue, by=person(request))
        return Response({"change": change.pk, "count": change.count})


class UndoChange(APIView):
    permission_classes = [IsResearcher]

    @extend_schema(request=None, responses=serializers.Changed)
    def post(self, request: Request, pk: int) -> Response:
        """Put back what a change of many rows has changed, where it is still so."""
        change = get_object_or_404(BulkChange, pk=pk)
        count = steering.undo(change=change, by=person(request))
        return Response({"change": change.pk, "count": count})
