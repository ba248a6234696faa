"""Labelers' states, over HTTP."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Role, User
from accounts.permissions import IsResearcher, person
from core.bodies import Sent, takes
from labeling.models import LabelerProfile
from labeling.people.standing import ACTS, change_state


class StateBody(serializers.Serializer[Any]):
    act = serializers.ChoiceField([*ACTS])


class StateShape(serializers.Serializer[Any]):
    state = serializers.ChoiceField(LabelerProfile.State.choices)


class StateView(APIView):
    permission_classes = [IsResearcher]

    @takes(StateBody, responses=StateShape)
    def post(self, request: Request, sent: Sent, pk: int) -> Response:
        """Pause a labeler, let them go on, and so on. Who is paused gets no tasks and may finish
        what they have begun. 409 where their state has changed meanwhile."""
        labeler = get_object_or_404(User, pk=pk, role=Role.LABELER)
        profile = change_state(labeler=labeler, act=sent["act"], by=person(request))
        return Response({"state": profile.state})
