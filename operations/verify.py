"""Whether an installation is whole: its files, its tables, its states. Reads, and changes nothing.

PostgreSQL keeps its constraints by itself; asking again finds what a damaged disk, a restore by
hand or a constraint that was switched off has left behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.apps import apps
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Count, F, Field, Model

from labeling.models import Demonstration, Ranking
from models_service.models import ModelVersion
from trainer.data.snapshots import file_sha256
from trainer.models import DatasetSnapshot

_OURS = ("accounts", "labeling", "models_service", "trainer")
_EXCLUDE = "Exclude them in the admin."
_CONSTRAINTS = """
SELECT conrelid::regclass::text, conname, contype, convalidated,
       pg_get_expr(conbin, conrelid), confrelid::regclass::text,
       (SELECT attname FROM pg_attribute WHERE attrelid = conrelid AND attnum = conkey[1]),
       (SELECT attname FROM pg_attribute WHERE attrelid = confrelid AND attnum = confkey[1])
FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'f')
ORDER BY 1, 2
"""


@dataclass(frozen=True)
class Fault:
    """Something that is not as it should be: where, what, and what to do."""

    where: str
    what: str
    do: str


def faults(tell: Callable[[str], object] = lambda check: None) -> Iterator[Fault]:
    """Everything that is wrong; `tell` hears which check begins."""
    yield from _migrations()
    for name, check in CHECKS.items():
        tell(name)
        yield from check()


def _migrations() -> Iterator[Fault]:
    executor = MigrationExecutor(connection)
    for migration, _ in executor.migration_plan(executor.loader.graph.leaf_nodes()):
        yield Fault(str(migration), "is not applied", "Run manage.py migrate.")


def _checkpoints() -> Iterator[Fault]:
    from models_service.lm.checkpoint import CheckpointError, weights_sha256  # PyTorch

    kept = ModelVersion.objects.local().filter(weights_removed_at=None)
    for version in kept.order_by("pk"):
        restore = "Bring its folder back from a backup."
        where = f"Checkpoint of {version}"
        if not version.folder.is_dir():
            yield Fault(where, f"{version.folder} is missing", restore)
            continue
        try:
            found = weights_sha256(version.folder)
        except (CheckpointError, OSError) as error:
            yield Fault(where, f"cannot be read: {error}", restore)
            continue
        if version.sha256 and found != version.sha256:
            yield Fault(where, "is not what was registered: its sha256 differs", restore)


def _snapshots() -> Iterator[Fault]:
    for snapshot in DatasetSnapshot.objects.order_by("pk"):
        where, there = f"Snapshot {snapshot}", snapshot.path.exists()
        if snapshot.erased_at:
            if there:
                yield Fault(where, "is marked as erased and its file is there", "Delete the file.")
        elif not there:
            yield Fault(where, "its file is missing", "Bring it back from a backup.")
        elif file_sha256(snapshot.path) != snapshot.sha256:
            yield Fault(where, "its sha256 differs", "Bring the file back from a backup.")


def _constraints() -> Iterator[Fault]:
    with connection.cursor() as cursor:
        cursor.execute(_CONSTRAINTS)
        for table, name, kind, valid, *rest in cursor.fetchall():
            if not valid:
                yield Fault(
                    table,
                    f"constraint {name} was never checked",
                    f'ALTER TABLE {table} VALIDATE CONSTRAINT "{name}".',
                )
            cursor.execute(_violations(table, kind, *rest))
            [bad] = cursor.fetchone()
            if bad:
                yield Fault(
                    table,
                    f"{bad} rows break {name}",
                    "Restore a backup, or mend these rows by hand.",
                )
    yield from _lacking()


def _violations(table: str, kind: str, expression: str, other: str, column: str, key: str) -> str:
    """SQL that counts the rows which break a constraint; all names come from the catalogue."""
    if kind == "c":
        return f"SELECT count(*) FROM {table} WHERE NOT ({expression})"  # noqa: S608
    return (
        f'SELECT count(*) FROM {table} a WHERE a."{column}" IS NOT NULL '  # noqa: S608
        f'AND NOT EXISTS (SELECT FROM {other} b WHERE b."{key}" = a."{column}")'
    )


def _lacking() -> Iterator[Fault]:
    """Constraints the code counts on that the database does not have."""
    with connection.cursor() as cursor:
        for model in _models():
            there = connection.introspection.get_constraints(cursor, model._meta.db_table)
            for constraint in model._meta.constraints:
                if constraint.name not in there:
                    yield Fault(
                        model._meta.db_table,
                        f"constraint {constraint.name} is missing",
                        "Restore a backup with manage.py restore.",
                    )


def _states() -> Iterator[Fault]:
    """Every state, kind and role is one the code knows; those of docs/states.md are among them."""
    for model in _models():
        for field in model._meta.concrete_fields:
            if field.choices:
                yield from _unknown(model, field)


def _unknown(model: type[Model], field: Field) -> Iterator[Fault]:
    known = [value for value, _ in field.flatchoices]
    rows = model._default_manager.exclude(**{f"{field.attname}__in": known})
    if field.blank:
        rows = rows.exclude(**{field.attname: ""})
    counted = rows.order_by().values_list(field.attname).annotate(count=Count("pk"))
    for value, count in counted:
        if value is not None:
            what = f"{count} rows have the unknown {field.name} {value!r}"
            do = f"Set it to one of {', '.join(map(str, known))}."
            yield Fault(model._meta.db_table, what, do)


def _labels() -> Iterator[Fault]:
    """Labels are of their task's prompt, and a ranking ranks what its task has."""
    for model in (Demonstration, Ranking):
        strays = model._default_manager.exclude(prompt=F("task__prompt")).count()
        if strays:
            what = f"{strays} labels are of another prompt than their task"
            yield Fault(model._meta.db_table, what, _EXCLUDE)
    partial = Ranking.objects.annotate(
        ranked_n=Count("ranked", distinct=True), all_n=Count("task__completions", distinct=True)
    ).exclude(ranked_n=F("all_n"))
    if count := partial.count():
        what = f"{count} rankings leave completions of their task out"
        yield Fault("labeling_ranking", what, _EXCLUDE)


def _models() -> list[type[Model]]:
    return [model for app in _OURS for model in apps.get_app_config(app).get_models()]


CHECKS: dict[str, Callable[[], Iterator[Fault]]] = {
    "checkpoints": _checkpoints,
    "snapshots": _snapshots,
    "constraints": _constraints,
    "states": _states,
    "labels": _labels,
}
