"""How long the stages of a round will take and how much memory, judged by runs that were made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import FloatField, Max
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Coalesce

from models_service.models import ModelVersion
from trainer.algorithms.stages import STAGES
from trainer.models import Metric, TrainingRun
from trainer.rounds import memory_model
from trainer.rounds.recipes import Recipe
from trainer.runs import machine_memory as memory

_LOOKED_AT = 20  # newest runs of each stage, about, among which a like one is sought


@dataclass(frozen=True)
class Estimate:
    """One stage: seconds and peak MiB as `source` took them, scaled; None where no run is like it.

    `needs` is what it takes by the model's shape alone, in MiB, where the checkpoint tells: a rough
    figure, without what the process takes before there is a model.
    """

    stage: str
    title: str
    seconds: float | None
    memory: float | None
    source: str
    needs: float | None


@dataclass(frozen=True)
class _Like:
    """A run to judge by, and its peak in bytes where it was measured."""

    run: TrainingRun
    peak: float | None


def estimates(recipe: Recipe, start: ModelVersion, counts: Mapping[str, int]) -> list[Estimate]:
    """Of every stage of the recipe, with these labels (as `snapshots.count_labels` gives them)."""
    shape, likes = memory_model.shape_of(start.folder), _likes(recipe, start)
    return [
        _of(stage, recipe.configs[stage].to_dict(), counts, shape, likes.get(stage))
        for stage in recipe.stages
    ]


def over_memory(recipe: Recipe, start: ModelVersion) -> dict[str, list[str]]:
    """Settings that need more memory than the training machine has, by their address."""
    shape, there = memory_model.shape_of(start.folder), training_memory()
    if shape is None:
        return {}
    likes, errors = _likes(recipe, start), {}
    for stage in recipe.stages:
        settings = recipe.configs[stage].to_dict()
        scale, beyond = _calibration(stage, shape, likes.get(stage))
        need = scale * memory_model.needed(stage, settings, shape) + beyond
        if need > there:
            room = int((there - beyond) / scale)
            most = memory_model.most_tokens(stage, settings, shape, room)
            errors[f"{stage}.tokens_per_micro_batch"] = [_over(need, there, most)]
    return errors


def training_memory() -> int:
    """Bytes of the machine that trained last, else of this one."""
    for executions in TrainingRun.objects.order_by("-id").values_list("executions", flat=True)[:5]:
        if executions and "memory" in executions[-1]:
            return int(executions[-1]["memory"])
    return memory.machine()


def _over(need: float, there: int, most: int) -> str:
    remedy = (
        f"set it to {most} or fewer"
        if most
        else "take a smaller model, shared trunks or a larger machine"
    )
    return f"needs about {need / 2**30:.1f} GiB, the machine has {there / 2**30:.1f}: {remedy}"


def _of(
    stage: str,
    settings: Mapping[str, Any],
    counts: Mapping[str, int],
    shape: memory_model.Shape | None,
    like: _Like | None,
) -> Estimate:
    needs = memory_model.needed(stage, settings, shape) / memory.MIB if shape else None
    title = STAGES[stage].title
    if like is None:
        return Estimate(stage, title, None, None, "", needs)
    run = like.run
    assert run.started_at and run.ended_at
    work = STAGES[stage].work
    then = work(run.config["settings"], _counts(run))
    ratio = work(settings, counts) / then if then else 1.0
    seconds = (run.ended_at - run.started_at).total_seconds() * ratio
    peak = like.peak and like.peak / memory.MIB
    if needs and shape:
        scale, beyond = _calibration(stage, shape, like)
        peak = peak and scale * needs + beyond / memory.MIB
    return Estimate(stage, title, seconds, peak, str(run.round), needs)


def _calibration(stage: str, shape: memory_model.Shape, like: _Like | None) -> tuple[float, float]:
    """What to multiply a need by shape with, and bytes to add, to meet what was measured.

    What a like run took beyond its shape (Python, PyTorch, fragments) is taken again; where it took
    less, so will the next, in proportion. 1 and 0 where nothing was measured.
    """
    if like is None or like.peak is None:
        return 1.0, 0.0
    then = memory_model.needed(stage, like.run.config["settings"], shape)
    return (1.0, like.peak - then) if like.peak > then else (like.peak / then, 0.0)


def _likes(recipe: Recipe, start: ModelVersion) -> dict[str, _Like]:
    """Of each stage the newest run on a model of the same line that nothing interrupted."""
    finished = TrainingRun.objects.filter(
        stage__in=recipe.stages, state=TrainingRun.State.FINISHED
    ).select_related("round__start", "round__snapshot")
    parents = dict(ModelVersion.objects.values_list("pk", "parent"))
    root = _root(start.pk, parents)
    found: dict[str, TrainingRun] = {}
    for run in finished.order_by("-id")[: _LOOKED_AT * len(recipe.stages)]:
        trunk = getattr(recipe.configs[run.stage], "trunk", None)
        alike = run.config.get("settings", {}).get("trunk") == trunk
        uninterrupted = len(run.executions) == 1 and run.started_at and run.ended_at
        if alike and uninterrupted and _root(run.round.start_id, parents) == root:
            found.setdefault(run.stage, run)
    peaks = _peaks(found.values())
    return {stage: _Like(run, peaks.get(run.pk)) for stage, run in found.items()}


def _root(version: int, parents: Mapping[int, int | None]) -> int:
    """The base that a version descends from."""
    while parent := parents.get(version):
        version = parent
    return version


def _peaks(runs: Iterable[TrainingRun]) -> dict[int, float]:
    """Bytes each run took at its peak, of its GPU where it had one, by its id."""
    peak = Cast(Coalesce(KT("values__memory/gpu_peak"), KT("values__memory/peak")), FloatField())
    measured = Metric.objects.filter(run__in=[run.pk for run in runs]).order_by()
    rows = measured.values_list("run").annotate(most=Max(peak))
    return {run: most * memory.MIB for run, most in rows if most is not None}


def _counts(run: TrainingRun) -> dict[str, int]:
    """What the run's snapshot held for training, named as `count_labels` does."""
    counts = run.round.snapshot.counts if run.round.snapshot else {}
    prompts = counts.get("prompt", {}).get("validation", 0)
    trained = {f"{kind}s": of_kind.get("train", 0) for kind, of_kind in counts.items()}
    return {**trained, "validation_prompts": prompts}
