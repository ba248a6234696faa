"""Where a checkpoint came from and what a label led to: the rows between them, walked both ways."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Count, Q

from accounts.models import User
from labeling.models import Completion, Demonstration, Prompt, Ranking
from models_service.models import ModelVersion
from models_service.selectors import ancestors
from trainer.algorithms.stages import STAGES
from trainer.models import DatasetSnapshot, SnapshotLabel, TrainingRun

Tree = dict[str, Any]
LABELS: dict[str, Any] = {"demonstration": Demonstration, "ranking": Ranking}


def of_version(version: ModelVersion) -> Tree:
    """A checkpoint's origin: its run, snapshot, labels by labeler, prompts and completions."""
    run = TrainingRun.objects.filter(output=version).select_related("round__snapshot").first()
    tree = {
        "version": _version(version),
        "trained_from": [_version(parent) for parent in ancestors(version)],
        "led_to": [_version(child) for child in version.children.order_by("pk")],
        "promotions": list(version.promotions.order_by("pk").values("role", "at", "reason")),
        "run": run and _run(run),
        "snapshot": None,
    }
    if run and run.round.snapshot:
        tree |= _snapshot(run.round.snapshot)
    return tree


def of_label(kind: str, label: Demonstration | Ranking) -> Tree:
    """What a label led to: the snapshots it is in and every checkpoint it shaped."""
    snapshots = DatasetSnapshot.objects.filter(**{f"labels__{kind}": label}).order_by("pk")
    runs = TrainingRun.objects.filter(round__snapshot__in=snapshots, output__isnull=False)
    shaped = [stage.name for stage in STAGES.values() if kind in stage.labels]
    made = runs.filter(stage__in=shaped).values_list("output", flat=True)
    return {
        "label": {"kind": kind, "id": label.pk, "prompt": label.prompt_id,
                  "labeler": str(label.labeler.pseudonym), "created_at": label.created_at,
                  "excluded_at": label.excluded_at},
        "snapshots": [{"id": s.pk, "filename": s.filename, "sha256": s.sha256} for s in snapshots],
        "checkpoints": [_version(v) for v in _with_descendants(made)],
    }  # fmt: skip


def _version(version: ModelVersion) -> Tree:
    return {"id": version.pk, "name": version.name, "kind": version.kind, "sha256": version.sha256,
            "best_of": version.best_of, "judge": version.judge and version.judge.name,
            "created_at": version.created_at}  # fmt: skip


def _run(run: TrainingRun) -> Tree:
    return {"id": run.pk, "stage": run.stage, "round": run.round_id, "seed": run.seed,
            "settings": run.config.get("settings", {}), "start": run.config.get("start", {}),
            "executions": run.executions, "notes": run.result.get("notes", {}),
            "started_at": run.started_at, "ended_at": run.ended_at}  # fmt: skip


def _snapshot(snapshot: DatasetSnapshot) -> Tree:
    """A snapshot with what its labels were made of."""
    rankings = snapshot.labels.filter(ranking__isnull=False).values("ranking")
    written = snapshot.labels.filter(demonstration__isnull=False).values("demonstration__prompt")
    ranked = Ranking.objects.filter(pk__in=rankings)
    prompts = Prompt.objects.filter(pk__in=written.union(ranked.values("prompt")))
    said = Completion.objects.filter(ranked__ranking__in=rankings)
    return {
        "snapshot": {"id": snapshot.pk, "filename": snapshot.filename, "sha256": snapshot.sha256,
                     "counts": snapshot.counts, "filters": snapshot.filters,
                     "created_at": snapshot.created_at},
        "labelers": _labelers(snapshot),
        "prompts": _counted(prompts, "source"),
        "completions": _counted(said, "version__name"),
    }  # fmt: skip


def _labelers(snapshot: DatasetSnapshot) -> list[Tree]:
    """How many labels each labeler gave, by pseudonym, the busiest first."""
    counts: dict[int, dict[str, int]] = {}
    for kind in LABELS:
        field = f"{kind}__labeler"
        rows = SnapshotLabel.objects.filter(snapshot=snapshot, **{f"{kind}__isnull": False})
        for labeler, count in rows.values_list(field).annotate(count=Count("pk")):
            counts.setdefault(labeler, dict.fromkeys(LABELS, 0))[kind] = count
    people = User.objects.in_bulk(list(counts))
    named = [{"labeler": str(people[pk].pseudonym), **count} for pk, count in counts.items()]
    return sorted(named, key=lambda row: -sum(row[kind] for kind in LABELS))


def _counted(rows: Any, field: str) -> list[Tree]:
    counted = rows.order_by().values_list(field).annotate(count=Count("pk", distinct=True))
    return [{"name": name, "count": count} for name, count in counted.order_by("-count", field)]


def _with_descendants(made: Iterable[int]) -> list[ModelVersion]:
    """These versions, all that were trained from them and all they choose for, oldest first."""
    known: set[int] = set()
    newest = set(made)
    while newest:
        known |= newest
        further = ModelVersion.objects.filter(Q(parent__in=newest) | Q(judge__in=newest))
        newest = set(further.values_list("pk", flat=True)) - known
    return list(ModelVersion.objects.filter(pk__in=known).order_by("pk"))
