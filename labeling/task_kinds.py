"""The one table of task kinds: what labelers may be asked to do, and what stands behind it.

Queues, claims, submits, the API's bodies, the pages and the filters read it. It stands below the
models, whose choices it gives; what is above them is named by its path. `docs/extend/task_kind.md`
says how to add one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, cast

from django.db import models


class TaskKind(models.TextChoices):
    """What a labeler is asked to do."""

    PROMPT_WRITING = "prompt_writing", "Prompt writing"
    DEMONSTRATION = "demonstration", "Demonstration"
    RANKING = "ranking", "Ranking"


class Label(Protocol):
    """The module that keeps the labels of a kind; assignments are `labeling.models.Assignment`."""

    FIELDS: tuple[str, ...]
    """What of a submitted body is its draft, to amend it from."""

    def store(
        self, assignment: Any, body: Mapping[str, Any], seconds: int, supersedes: Any, /
    ) -> Any:
        """Check the body and keep the label. Raises Problem 400 that names each field."""

    def outcomes(self, assignment: Any, /) -> Sequence[Any]:
        """Every version of what was submitted, the newest first."""


@dataclass(frozen=True)
class Kind:
    """One kind of task.

    Args:
        name: What tables and the API call it.
        title: For people; it is translated where it is shown.
        module: Path of the module that keeps its labels, a `Label`.
        body: Path of the serializer of a submit's body.
        template: The page it is done on.
        context: Path of a function from the assignment to what this page shows besides.
        has_prompt: Whether it is about a prompt; without one, it has a use case to write for.
        compares: Whether models answer first and the labeler compares what they said.
    """

    name: str
    title: str
    module: str
    body: str
    template: str
    context: str = ""
    has_prompt: bool = True
    compares: bool = False

    @property
    def label(self) -> Label:
        """The module that keeps its labels."""
        return cast(Label, import_module(self.module))


TASK_KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            TaskKind.PROMPT_WRITING.value,
            TaskKind.PROMPT_WRITING.label,
            module="labeling.work.written_prompts",
            body="labeling.api.serializers.WrittenPromptBody",
            template="work/prompt_writing.html",
            context="frontend.views.work.prompt_writing",
            has_prompt=False,
        ),
        Kind(
            TaskKind.DEMONSTRATION.value,
            TaskKind.DEMONSTRATION.label,
            module="labeling.work.demonstrations",
            body="labeling.api.serializers.DemonstrationBody",
            template="work/demonstration.html",
        ),
        Kind(
            TaskKind.RANKING.value,
            TaskKind.RANKING.label,
            module="labeling.work.rankings",
            body="labeling.api.serializers.RankingBody",
            template="work/ranking.html",
            context="frontend.views.work.ranking",
            compares=True,
        ),
    )
}
"""By name, in the order in which they are offered."""


def kind_choices() -> list[tuple[str, str]]:
    """Name and title of each, for fields of forms."""
    return [(kind.name, kind.title) for kind in TASK_KINDS.values()]
