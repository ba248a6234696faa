"""What lies on the table when a browser test begins: tasks with real-looking texts."""

from __future__ import annotations

from labeling.models import Completion, LabelingTask, Prompt, Queue, Slot, TaskKind
from labeling.work.guidelines import current_form, current_guideline, publish_guideline
from models_service.models import Kind, ModelVersion

COMPLETIONS = (
    "Tides rise and fall because the **Moon** pulls on the ocean. Water on the near side bulges "
    "towards it, and on the far side it bulges away, so most coasts see two high tides a day.",
    "The tide is caused by the wind.\n\n- Strong wind pushes water up.\n- Weak wind lets it fall.",
    "Tides come from gravity. The Moon, and to a lesser degree the Sun, pulls on the water; as the "
    "Earth turns, a place passes through two bulges.\n\n1. New and full moon: *spring tides*.\n"
    "2. Half moon: *neap tides*.\n\n```python\nperiod_hours = 24.84 / 2\n```",
    "I am sorry, but as a language model I cannot look at the sea.",
)
GUIDELINE = "# Ranking\n\nPut **helpfulness** first, then truthfulness, then harmlessness."


def ranking_task(
    texts: tuple[str, ...] = COMPLETIONS,
    question: str = "Why are there tides? Explain it to a curious ten-year-old.",
) -> LabelingTask:
    """An open ranking task with one free slot."""
    current_form()
    if current_guideline(kind="ranking", purpose="training") is None:
        publish_guideline(kind="ranking", purpose="training", text=GUIDELINE)
    prompt = _prompt(question)
    task = _task(TaskKind.RANKING, prompt, completions_wanted=len(texts))
    version = ModelVersion.objects.create(
        name=f"hidden-model-{task.pk}", kind=Kind.POLICY, checkpoint="none"
    )
    Completion.objects.bulk_create(
        Completion(
            task=task,
            position=at,
            version=version,
            text=text,
            sampling={},
            seed=at,
            finish_reason="stop",
            prompt_tokens=12,
            completion_tokens=40,
        )
        for at, text in enumerate(texts)
    )
    return task


def demonstration_task(
    question: str = "How do I keep basil alive on a windowsill?",
) -> LabelingTask:
    """An open demonstration task with one free slot."""
    return _task(TaskKind.DEMONSTRATION, _prompt(question))


def prompt_writing_task() -> LabelingTask:
    """An open prompt-writing task with one free slot."""
    return _task(TaskKind.PROMPT_WRITING, None, brief={"use_case": "rewrite"})


def _prompt(question: str) -> Prompt:
    return Prompt.objects.create(
        messages=[{"role": "user", "content": question}],
        use_case="open_qa",
        source=Prompt.Source.DEMO,
        split="train",
        fingerprint=question[:60],
    )


def _task(kind: TaskKind, prompt: Prompt | None, **fields: object) -> LabelingTask:
    Queue.objects.get_or_create(kind=kind, purpose="training")
    task = LabelingTask.objects.create(
        kind=kind, purpose="training", prompt=prompt, state="open", **fields
    )
    Slot.objects.create(task=task, number=0, kind=kind, purpose="training")
    return task
