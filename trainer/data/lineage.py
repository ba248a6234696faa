"""Where a checkpoint came from and what a label led to: the rows between them, walked both ways."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from django.db.models import Count, F, Q, TextField
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce

from labeling.exports.training_rows import labeler_of
from labeling.models import Completion, Demonstration, LabelOrigin, Prompt, Ranking
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
        "label": {
            "kind": kind,
            "id": label.pk,
            "prompt": label.prompt_id,
            "labeler": _labeler(label),
            "created_at": label.created_at,
            "excluded_at": label.excluded_at,
            "origin": _origin(label.task.origin),
        },
        "snapshots": [{"id": s.pk, "filename": s.filename, "sha256": s.sha256} for s in snapshots],
        "checkpoints": [_version(v) for v in _with_descendants(made)],
    }


def _labeler(label: Demonstration | Ranking) -> str:
    origin = label.task.origin
    if label.labeler:
        return str(label.labeler.pseudonym)
    return f"{origin.of.name}/{origin.labeler}" if origin else ""


def _origin(origin: LabelOrigin | None) -> Tree | None:
    """Where an imported label came from."""
    if origin is None:
        return None
    return {
        "set": origin.of.name,
        "licence": origin.of.licence,
        "row": origin.row,
        "line": origin.line,
        "labeler": origin.labeler,
        "at": origin.at,
        "form": origin.form,
        "import": origin.imported_id,
    }


def _version(version: ModelVersion) -> Tree:
    return {
        "id": version.pk,
        "name": version.name,
        "kind": version.kind,
        "sha256": version.sha256,
        "best_of": version.best_of,
        "judge": version.judge and version.judge.name,
        "created_at": version.created_at,
    }


def _run(run: TrainingRun) -> Tree:
    return {
        "id": run.pk,
        "stage": run.stage,
        "round": run.round_id,
        "seed": run.seed,
        "settings": run.config.get("settings", {}),
        "start": run.config.get("start", {}),
        "executions": run.executions,
        "notes": run.result.get("notes", {}),
        "started_at": run.started_at,
        "ended_at": run.ended_at,
    }


def _snapshot(snapshot: DatasetSnapshot) -> Tree:
    """A snapshot with what its labels were made of."""
    rankings = snapshot.labels.filter(ranking__isnull=False).values("ranking")
    written = snapshot.labels.filter(demonstration__isnull=False).values("demonstration__prompt")
    ranked = Ranking.objects.filter(pk__in=rankings)
    prompts = Prompt.objects.filter(pk__in=written.union(ranked.values("prompt")))
    said = Completion.objects.filter(ranked__ranking__in=rankings)
    return {
        "snapshot": {
            "id": snapshot.pk,
            "filename": snapshot.filename,
            "sha256": snapshot.sha256,
            "counts": snapshot.counts,
            "filters": snapshot.filters,
            "created_at": snapshot.created_at,
        },
        "labelers": _labelers(snapshot),
        "sets": _sets(snapshot),
        "prompts": _counted(prompts, "source"),
        "completions": _counted(
            said,
            Coalesce(
                "version__name", KeyTextTransform("model", "sampling"), output_field=TextField()
            ),
        ),
    }


def _labelers(snapshot: DatasetSnapshot) -> list[Tree]:
    """How many labels each labeler gave, by pseudonym, the busiest first; of imported labels by
    SET/LABELER."""
    counts: dict[str, dict[str, int]] = {}
    for kind in LABELS:
        who = f"{kind}__labeler__pseudonym"
        origin = f"{kind}__task__origin"
        rows = SnapshotLabel.objects.filter(snapshot=snapshot, **{f"{kind}__isnull": False})
        named = rows.values_list(who, f"{origin}__of__name", f"{origin}__labeler")
        for *labeler, count in named.annotate(count=Count("pk")):
            counts.setdefault(labeler_of(*labeler), dict.fromkeys(LABELS, 0))[kind] = count
    told = [{"labeler": labeler, **count} for labeler, count in counts.items()]
    return sorted(told, key=lambda row: -sum(row[kind] for kind in LABELS))


def _sets(snapshot: DatasetSnapshot) -> list[Tree]:
    """The sets that its imported labels are from, with their licences and how many they are."""
    counts: Counter[tuple[str, str]] = Counter()
    for kind in LABELS:
        path = f"{kind}__task__origin__of"
        rows = SnapshotLabel.objects.filter(snapshot=snapshot, **{f"{path}__isnull": False})
        for name, licence, count in rows.values_list(f"{path}__name", f"{path}__licence").annotate(
            count=Count("pk")
        ):
            counts[name, licence] += count
    return [
        {"name": name, "licence": licence, "count": count}
        for (name, licence), count in sorted(counts.items())
    ]


def _counted(rows: Any, field: Any) -> list[Tree]:
    counted = rows.order_by().annotate(said_by=F(field) if isinstance(field, str) else field)
    counted = counted.values_list("said_by").annotate(count=Count("pk", distinct=True))
    return [
        {"name": name or "unnamed", "count": count}
        for name, count in counted.order_by("-count", "said_by")
    ]


def _with_descendants(made: Iterable[int]) -> list[ModelVersion]:
    """These versions, all that were trained from them and all they choose for, oldest first."""
    known: set[int] = set()
    newest = set(made)
    while newest:
        known |= newest
        further = ModelVersion.objects.filter(Q(parent__in=newest) | Q(judge__in=newest))
        newest = set(further.values_list("pk", flat=True)) - known
    return list(ModelVersion.objects.filter(pk__in=known).order_by("pk"))
