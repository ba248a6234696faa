"""Claim, draft, heartbeat, submit, release: what a labeler does with a task."""

from __future__ import annotations

from typing import Any, cast

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from accounts.permissions import IsLabeler
from core.bodies import Sent, json_object, takes
from labeling.api import serializers
from labeling.models import Assignment
from labeling.people.labelers import decline_topics
from labeling.review import reports, reviews
from labeling.work import amendments, assignments, leases, submissions, use_cases
from labeling.work.assignment_reads import described, own_assignment


class LabelerView(APIView):
    """A view for labelers, who see and change only what is theirs."""

    permission_classes = [IsLabeler]

    @property
    def labeler(self) -> User:
        """Who asks."""
        return cast(User, self.request.user)

    def proceeded(self, next: int | None = None) -> dict[str, Any]:
        """Begin the reserved task: `next` is its id again, or null when it has been lost."""
        if next is None:
            return {}
        begun = assignments.proceed(assignment_id=next, labeler=self.labeler)
        return {"next": next if begun else None}


class ClaimView(LabelerView):
    @takes(serializers.ClaimBody, responses={200: serializers.AssignmentShape, 204: None})
    def post(self, request: Request, sent: Sent) -> Response:
        """The task held already, else the next one; 204 when nothing waits."""
        assignment = assignments.claim(labeler=self.labeler, **sent)
        return Response(status=204) if assignment is None else Response(described(assignment))


class AssignmentView(LabelerView):
    @extend_schema(responses=serializers.AssignmentShape)
    def get(self, request: Request, pk: int) -> Response:
        """One of my assignments, whatever became of it."""
        return Response(described(own_assignment(assignment_id=pk, labeler=self.labeler)))


class DraftView(LabelerView):
    @takes(serializers.DraftBody, responses=serializers.DraftVersion)
    def put(self, request: Request, sent: Sent, pk: int) -> Response:
        """Keep the draft; 409 with the newer one if another tab saved since."""
        version = assignments.save_draft(assignment_id=pk, labeler=self.labeler, **sent)
        return Response({"draft_version": version})


class HeartbeatView(LabelerView):
    @extend_schema(request=None, responses=serializers.Lease)
    def post(self, request: Request, pk: int) -> Response:
        """Extend the lease, or take the task up again if it is still free."""
        assignment = leases.heartbeat(assignment_id=pk, labeler=self.labeler)
        return Response({"lease_expires_at": assignment.lease_expires_at})


class NextView(LabelerView):
    @extend_schema(request=None, responses={200: serializers.AssignmentShape, 204: None})
    def post(self, request: Request, pk: int) -> Response:
        """Reserve the task that comes after this one for three minutes; again, for three more.

        204 when none can be spared. It begins when this one is submitted or released with
        `?next=` and its id, or with a heartbeat of its own; else it goes back to the queue.
        """
        assignment = assignments.reserve(assignment_id=pk, labeler=self.labeler)
        return Response(status=204) if assignment is None else Response(described(assignment))


class SubmitView(LabelerView):
    @extend_schema(
        request=serializers.SubmitBody,
        parameters=[serializers.NextQuery],
        responses=serializers.Ended,
    )
    def post(self, request: Request, pk: int) -> Response:
        """Store the label; the same body again gives the same answer."""
        asked = _asked(request)
        body = json_object(request)
        submitted = submissions.submit(assignment_id=pk, labeler=self.labeler, body=body)
        return Response(_ended(submitted) | self.proceeded(**asked))


class AmendView(LabelerView):
    @extend_schema(request=serializers.SubmitBody, responses=serializers.Ended)
    def post(self, request: Request, pk: int) -> Response:
        """Put another label in the place of the submitted one, while there is time."""
        body = json_object(request)
        return Response(_ended(amendments.amend(assignment_id=pk, labeler=self.labeler, body=body)))


class UseCaseView(LabelerView):
    @takes(serializers.UseCaseBody, responses=serializers.UseCaseBody)
    def post(self, request: Request, sent: Sent, pk: int) -> Response:
        """Say what the prompt at hand is for, one of the ten use cases."""
        use_cases.set_use_case(assignment_id=pk, labeler=self.labeler, **sent)
        return Response(sent)


class ReleaseView(LabelerView):
    @takes(
        serializers.ReleaseBody,
        parameters=[serializers.NextQuery],
        responses=serializers.Ended,
    )
    def post(self, request: Request, sent: Sent, pk: int) -> Response:
        """Give the task back; it does not come again."""
        asked = _asked(request)
        released = assignments.release(assignment_id=pk, labeler=self.labeler, **sent)
        return Response(_ended(released) | self.proceeded(**asked))


class ReportView(LabelerView):
    @takes(serializers.ReportBody, responses={201: serializers.ReportShape})
    def post(self, request: Request, sent: Sent, pk: int) -> Response:
        """Tell an admin what is the matter with this task; the task stays as it is."""
        made = reports.report(assignment_id=pk, labeler=self.labeler, **sent)
        return Response(serializers.ReportShape(made).data, status=201)


class ReportSeenView(LabelerView):
    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request, pk: int) -> Response:
        """I have read the answer to my report."""
        reports.see(report_id=pk, labeler=self.labeler)
        return Response(status=204)


class ReviewsSeenView(LabelerView):
    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request) -> Response:
        """I have read what reviewers said of my labels."""
        reviews.mark_seen(labeler=self.labeler)
        return Response(status=204)


class TopicsView(LabelerView):
    @takes(serializers.Topics, responses=serializers.Topics)
    def put(self, request: Request, sent: Sent) -> Response:
        """The topics of which no task shall come to me."""
        topics = decline_topics(labeler=self.labeler, topics=sent["declined_topics"])
        return Response({"declined_topics": topics})


def _ended(assignment: Assignment) -> dict[str, Any]:
    submitted = assignment.state == Assignment.State.SUBMITTED
    return {
        "id": assignment.pk,
        "state": assignment.state,
        "submitted_at": assignment.ended_at if submitted else None,
    }


def _asked(request: Request) -> dict[str, Any]:
    query = serializers.NextQuery(data=request.query_params)
    query.is_valid(raise_exception=True)
    return dict(query.validated_data)
