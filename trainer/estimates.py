"""How long the stages of a round will take and how much memory, judged by runs that were made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models_service.models import ModelVersion
from models_service.selectors import ancestors
from trainer import footprint, memory
from trainer.models import TrainingRun
from trainer.recipes import Recipe

_LOOKED_AT = 20  # newest runs of a stage among which a like one is sought


@dataclass(frozen=True)
class Estimate:
    """One stage: seconds and peak MiB as `source` took them, scaled; None where no run is like it.

    `needs` is what it takes by the model's shape, in MiB, where the checkpoint tells.
    """

    stage: str
    title: str
    seconds: float | None
    memory: float | None
    source: str
    needs: float | None


def estimates(recipe: Recipe, start: ModelVersion, counts: Mapping[str, int]) -> list[Estimate]:
    """Of every stage of the recipe, with these labels (as `snapshots.count_labels` gives them)."""
    shape = footprint.shape_of(start.folder)
    return [_of(stage, recipe.configs[stage].to_dict(), start, counts, shape)
            for stage in recipe.stages]  # fmt: skip


def over_memory(recipe: Recipe, start: ModelVersion) -> dict[str, list[str]]:
    """Settings that need more memory than the training machine has, by their address."""
    shape, there = footprint.shape_of(start.folder), training_memory()
    errors = {}
    for stage in recipe.stages if shape else ():
        assert shape is not None
        settings = recipe.configs[stage].to_dict()
        need = footprint.needed(stage, settings, shape)
        if need > there:
            most = footprint.most_tokens(stage, settings, shape, there)
            errors[f"{stage}.tokens_per_micro_batch"] = [_over(need, there, most)]
    return errors


def training_memory() -> int:
    """Bytes of the machine that trained last, else of this one."""
    for executions in TrainingRun.objects.order_by("-id").values_list("executions", flat=True)[:5]:
        if executions and "memory" in executions[-1]:
            return int(executions[-1]["memory"])
    return memory.machine()


def _over(need: int, there: int, most: int) -> str:
    remedy = (
        f"set it to {most} or fewer"
        if most
        else "take a smaller model, shared trunks or a larger machine"
    )
    return f"needs about {need / 2**30:.1f} GiB, the machine has {there / 2**30:.1f}: {remedy}"


def _of(
    stage: str,
    settings: Mapping[str, Any],
    start: ModelVersion,
    counts: Mapping[str, int],
    shape: footprint.Shape | None,
) -> Estimate:
    like = _like(stage, settings, start)
    needs = footprint.needed(stage, settings, shape) / memory.MIB if shape else None
    title = str(TrainingRun.Stage(stage).label)
    if like is None:
        return Estimate(stage, title, None, None, "", needs)
    assert like.started_at and like.ended_at
    then = _work(stage, like.config["settings"], _counts(like))
    ratio = _work(stage, settings, counts) / then if then else 1.0
    seconds = (like.ended_at - like.started_at).total_seconds() * ratio
    return Estimate(stage, title, seconds, _peak(like), str(like.round), needs)


def _like(stage: str, settings: Mapping[str, Any], start: ModelVersion) -> TrainingRun | None:
    """The newest run of the stage on a model of the same line that nothing interrupted."""
    finished = TrainingRun.objects.filter(stage=stage, state=TrainingRun.State.FINISHED)
    root = _root(start)
    for run in finished.select_related("round__start", "round__snapshot").order_by("-id")[
        :_LOOKED_AT
    ]:
        trunk = run.config.get("settings", {}).get("trunk")
        uninterrupted = len(run.executions) == 1 and run.started_at and run.ended_at
        if uninterrupted and trunk == settings.get("trunk") and _root(run.round.start) == root:
            return run
    return None


def _root(version: ModelVersion) -> ModelVersion:
    return [version, *ancestors(version)][-1]


def _counts(run: TrainingRun) -> dict[str, int]:
    """What the run's snapshot held for training, named as `count_labels` does."""
    counts = run.round.snapshot.counts if run.round.snapshot else {}
    prompts = counts.get("prompt", {}).get("validation", 0)
    trained = {f"{kind}s": of_kind.get("train", 0) for kind, of_kind in counts.items()}
    return {**trained, "validation_prompts": prompts}


def _work(stage: str, settings: Mapping[str, Any], counts: Mapping[str, int]) -> float:
    """Something the stage's time is proportional to; 1 where nothing is known."""

    def at_most(limit: str, what: str) -> int:
        there = counts.get(what, 0)
        return min(settings.get(limit) or there, there)

    if stage == "sft":
        return float(settings["epochs"] * at_most("max_demonstrations", "demonstrations"))
    if stage == "reward":
        # Each of k folds learns from the other k - 1: together k - 1 runs more.
        runs = max(1, settings.get("folds", 0))
        return float(settings["epochs"] * at_most("max_rankings", "rankings") * runs)
    length = settings.get("max_response_tokens", 1)
    if stage == "ppo":
        return float(settings["iterations"] * settings["batch_size"] * length)
    if stage in ("best_of_n", "evaluation"):
        answers = settings.get("n", settings.get("answers_per_prompt", 1)) * length
        return float(at_most("prompts", "validation_prompts") * answers)
    return 1.0


def _peak(run: TrainingRun) -> float | None:
    peaks = [
        peak
        for values in run.metrics.values_list("values", flat=True)
        if (peak := values.get("memory/gpu_peak", values.get("memory/peak"))) is not None
    ]
    return max(peaks, default=None)
