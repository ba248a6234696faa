"""The table of engines: a toy one that is added to it answers through sampling, as docs/extend/
engine.md says."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from core.problems import Problem
from labeling.models import LabelingTask, Prompt
from labeling.queues import sampling
from models_service.engine_table import ENGINES, EngineKind
from models_service.engines import engine_for
from models_service.engines.base import Answer, EngineError, Request
from models_service.models import ModelVersion
from models_service.services import promote, register_endpoint

pytestmark = pytest.mark.django_db
ENDPOINT = {"base_url": "https://models.example.org/v1", "model": "echo"}


class EchoEngine:
    """Says its model's name, the seed and the prompt."""

    def __init__(self, version: ModelVersion) -> None:
        self.name = version.endpoint["model"]

    def sample(self, requests: Sequence[Request]) -> list[list[Answer]]:
        return [[self._answer(one, one.seed + j) for j in range(one.k)] for one in requests]

    def stream(self, request: Request, on_text: Callable[[str], None]) -> Answer:
        answer = self._answer(request, request.seed)
        on_text(answer.text)
        return answer

    def _answer(self, request: Request, seed: int) -> Answer:
        text = f"{self.name} {seed}: {request.messages[-1]['content']}"
        return Answer(text, "stop", 1, len(text), None, 0, "echo 1")


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy engine in the table."""
    kind = EngineKind("Echo", f"{__name__}.EchoEngine", is_local=False)
    monkeypatch.setitem(ENGINES, "echo", kind)


def test_a_toy_engine_answers_a_task(echo: None) -> None:
    version = register_endpoint(name="echo", kind="base", endpoint=ENDPOINT, engine="echo")
    promote(role="policy", version=version)
    prompt = Prompt.objects.create(
        messages=[{"role": "user", "content": "Say a"}], split="train", fingerprint="a"
    )
    task = LabelingTask.objects.create(
        kind="ranking", state="sampling", prompt=prompt, completions_wanted=4, seed=7
    )
    assert sampling.sample_waiting() == 1
    task.refresh_from_db()
    assert task.state == LabelingTask.State.OPEN
    said = [(one.text.split(":")[1], one.sampling["engine"]) for one in task.completions.all()]
    assert said == [(" Say a", "echo")] * 4
    assert len(set(task.completions.values_list("text", flat=True))) == 4


def test_a_toy_engine_is_offered_and_is_no_local_one(
    echo: None, client_of: Callable[[User], Client], rosa: User
) -> None:
    version = register_endpoint(name="echo", kind="base", endpoint=ENDPOINT, engine="echo")
    assert not version.is_local
    assert list(ModelVersion.objects.remote()) == [version]
    assert not ModelVersion.objects.local().exists()
    assert version.get_engine_display() == "Echo"
    page = client_of(rosa).get(reverse("add-version")).content.decode()
    assert '<option value="echo">Echo</option>' in page


def test_what_is_in_no_table_is_refused_by_its_name() -> None:
    with pytest.raises(Problem) as caught:
        register_endpoint(name="far", kind="base", endpoint=ENDPOINT, engine="carrier pigeon")
    assert caught.value.errors == {"engine": ["Choose one of openai."]}
    gone = ModelVersion(name="gone", engine="pigeon", endpoint=ENDPOINT)
    with pytest.raises(EngineError, match="the engine pigeon, which is not installed"):
        engine_for(gone)
