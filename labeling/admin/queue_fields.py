"""Fields of a queue that hold several values, as rows of inputs: nobody writes JSON.

Each shows what is set and two empty rows; an empty row means nothing, so that a row is taken away
by emptying it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms

from labeling.models import Prompt, UseCase
from labeling.queues.mixtures import ROLES
from models_service.models import Kind, ModelVersion

_SPARE = 2
_NEWEST = 100  # versions that are offered, beside those that are set


@dataclass(frozen=True)
class Column:
    """One input of each row: a choice where `choices` are given, else a number."""

    name: str
    title: str
    choices: Sequence[tuple[str, str]] = ()
    step: str = "1"
    lowest: str = "0"

    def value(self, text: str) -> Any:
        """What somebody wrote, as the database keeps it; as it is where it is no number."""
        if self.choices:
            return text
        try:
            number = float(text)
        except ValueError:
            return text
        return int(number) if number.is_integer() else number


class Rows(forms.Widget):
    """A table with a row of inputs for each value."""

    template_name = "labeling/rows.html"

    def __init__(self, columns: Iterable[Column] = ()) -> None:
        super().__init__()
        self.columns = list(columns)

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        """The rows that are set and some to fill in, each with its inputs."""
        rows: list[Mapping[str, Any]] = [*(value or []), *[{} for _ in range(_SPARE)]]
        context = super().get_context(name, None, attrs)
        context["columns"] = self.columns
        context["rows"] = [
            [
                {
                    "column": column,
                    "name": f"{name}-{column.name}",
                    "value": str(row.get(column.name, "")),
                }
                for column in self.columns
            ]
            for row in rows
        ]
        return context

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[dict[str, Any]]:
        """The rows that are not empty, with what is filled in of each."""
        lists = [data.getlist(f"{name}-{column.name}") for column in self.columns]
        rows = []
        for texts in zip(*lists, strict=False):
            filled = zip(self.columns, texts, strict=True)
            row = {c.name: c.value(text.strip()) for c, text in filled if text.strip()}
            rows += [row] if row else []
        return rows

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        """Whether the form was sent without this table."""
        return all(f"{name}-{column.name}" not in data for column in self.columns)


class RowsField(forms.Field):
    """Rows as the list of objects that the database keeps."""

    def __init__(self, columns: Iterable[Column]) -> None:
        super().__init__(required=False, widget=Rows(columns))

    def has_changed(self, initial: Any, data: Any) -> bool:
        """By what the rows mean."""
        return bool((self.prepare_value(initial) or []) != (data or []))


class WeightsField(RowsField):
    """Names with weights, which the database keeps as one object."""

    def __init__(self, choices: Sequence[tuple[str, str]], weight: str) -> None:
        super().__init__((Column("name", "Name", choices), Column("weight", weight, step="any")))

    def prepare_value(self, value: Any) -> Any:
        """The object as rows; what somebody sent are rows already."""
        if not isinstance(value, Mapping):
            return value
        return [{"name": name, "weight": weight} for name, weight in value.items()]

    def clean(self, value: Any) -> dict[str, Any]:
        """Rows as an object. Raises ValidationError for a row that is half filled, and for a name
        that comes twice."""
        found: dict[str, Any] = {}
        for number, row in enumerate(value, start=1):
            if len(row) < len(("name", "weight")):
                there = "name" if "name" in row else "weight"
                raise forms.ValidationError(f"Row {number} has a {there} alone; fill in both.")
            if row["name"] in found:
                raise forms.ValidationError(f"{row['name']} stands in two rows.")
            found[row["name"]] = row["weight"]
        return found


def mixture_field(chosen: Iterable[str]) -> WeightsField:
    """Who answers: roles, the newest versions that can speak, and those that are set."""
    newest = ModelVersion.objects.exclude(kind=Kind.REWARD).order_by("-pk")
    names = list(newest.values_list("name", flat=True)[:_NEWEST])
    names += [name for name in chosen if name not in names and name not in ROLES]
    players = [(str(role.value), f"Whoever is the {role.label}") for role in ROLES]
    return WeightsField([*players, *((name, name) for name in names)], "Weight")


def targets_field() -> WeightsField:
    """Each use case's share."""
    return WeightsField(UseCase.choices, "Share")


def rules_field() -> RowsField:
    """What a prompt must be to get points."""
    return RowsField(
        (
            Column("use_case", "Use case", UseCase.choices),
            Column("source", "Source", Prompt.Source.choices),
            Column("older_than_days", "Older than, days"),
            Column("newer_than_days", "Newer than, days"),
            Column("uncertain_above", "Uncertainty above", step="any"),
            Column("points", "Points", lowest="1"),
        )
    )
