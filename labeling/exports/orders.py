"""What somebody asks to be exported, checked before anything is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from django.db.models import QuerySet

from core.problems import refuse
from labeling.exports import FILES, SHAPES, SOURCES, SPLITS, Shape
from labeling.exports.pseudonyms import pseudonyms
from labeling.label_filters import FILTERS, usable
from labeling.models import Guideline, LabelerProfile, TaskKind, UseCase
from labeling.models.prompts import Split
from labeling.origins import unknown_origins
from models_service.models import ModelVersion

Row = dict[str, Any]


@dataclass(frozen=True)
class Order:
    """Which labels, in which shape, in which kind of file.

    `filters` are those of `labeling.label_filters`, the group of the labelers always among
    them; with the split they keep out of a training export what measures. `snapshot` is the id of
    one whose labels alone are meant.
    """

    what: str
    shape: str
    file: str
    split: str
    filters: Mapping[str, Any]
    snapshot: int | None = None

    @property
    def form(self) -> Shape:
        """The shape itself."""
        return SHAPES[self.what][self.shape]

    def as_dict(self) -> dict[str, Any]:
        """For a manifest, and to be kept."""
        return asdict(self)

    def labels(self) -> QuerySet[Any]:
        """The labels that leave."""
        source = SOURCES[self.what]
        model: Any = source.model
        rows = usable(model.objects.all(), self.filters, source.purposes)
        rows = rows.filter(prompt__split=self.split)
        return rows.filter(snapshots__snapshot=self.snapshot) if self.snapshot else rows

    def rows(self, *, after: int = 0, upto: int) -> Iterator[Row]:
        """Label rows in order of `label`, their number here, those behind `after` up to `upto`;
        labelers under other names."""
        name_of = pseudonyms()
        for row in SOURCES[self.what].rows(self.labels().filter(pk__gt=after, pk__lte=upto)):
            yield row | {
                "label": int(row["id"]),
                "labeler": name_of(row["labeler"]),
                "created_at": row["created_at"].isoformat(),
                # What came out of an export goes out again as it was.
                **(row.get("said") or {}),
            }


def order(
    *,
    what: str,
    shape: str = "whole",
    file: str = "jsonl",
    split: str = "",
    group: str = "",
    reason: str = "",
    guideline: int | None = None,
    policy: str = "",
    since: str = "",
    until: str = "",
    use_cases: list[str] | None = None,
    origins: list[str] | None = None,
) -> Order:
    """A checked order. Raises Problem 400 that names the field.

    Args:
        split: The first that there is, unless it says another; of the test split a `reason` is
            required, which whoever takes the order records.
        group: Of the labelers; all that may leave, unless it says one.
    """
    _require("what", what, tuple(SHAPES))
    if shape not in SHAPES[what]:
        refuse("format", f"There is no format {shape!r} for {what}; {_where(what, shape)}.")
    _require("file", file, tuple(FILES))
    filters: Row = {"groups": _groups(what, group), **_moments(since=since, until=until)}
    if guideline is not None:
        filters |= _guideline(what, guideline)
    if policy:
        filters["policies"] = [_policy(what, policy)]
    for use_case in use_cases or ():
        _require("use_cases", use_case, tuple(UseCase.values))
    if use_cases:
        filters["use_cases"] = use_cases
    if unknown := unknown_origins(origins or []):
        refuse("origins", f"No labels were imported from {', '.join(unknown)}.")
    if origins:
        filters["origins"] = origins
    return Order(what, shape, file, _split(what, split, reason), filters)


def _split(what: str, split: str, reason: str) -> str:
    splits = SOURCES[what].splits
    _require("split", split or splits[0], SPLITS)
    if split and split not in splits:
        refuse("split", f"There are no {what} of {split}; export {' or '.join(splits)}.")
    if split == Split.TEST and not reason.strip():
        sentence = "The test split stays to measure with. Give a reason why it has to leave; "
        refuse("split", f"{sentence}the audit log keeps it.")
    return split or splits[0]


def _groups(what: str, group: str) -> list[str]:
    groups = SOURCES[what].groups
    _require("group", group or groups[0], tuple(LabelerProfile.Group.values))
    if group and group not in groups:
        refuse("group", "What held-out labelers say stays to measure with; export training.")
    return [group] if group else [*groups]


def _guideline(what: str, version: int) -> Row:
    kind = SOURCES[what].kind.value
    if not Guideline.objects.filter(kind=kind, version=version).exists():
        refuse("guideline", f"There is no version {version} of the {kind} guideline.")
    return {f"{kind}_guidelines": [version]}


def _policy(what: str, name: str) -> str:
    if SOURCES[what].kind != TaskKind.RANKING:
        refuse("policy", "Demonstrations are answers of people; no policy takes part in them.")
    if not ModelVersion.objects.filter(name=name).exists():
        refuse("policy", f"There is no model version {name!r}; the admin lists them.")
    return name


def _moments(**moments: str) -> Row:
    for name, text in moments.items():
        if text and (fault := FILTERS[name].fault(text)):
            refuse(name, f"{name} {fault}.")
    return {name: text for name, text in moments.items() if text}


def _where(what: str, shape: str) -> str:
    elsewhere = [other for other, shapes in SHAPES.items() if shape in shapes]
    there = f"there is {' or '.join(SHAPES[what])}"
    return f"{there}; {shape} is one of {' and '.join(elsewhere)}" if elsewhere else there


def _require(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        refuse(name, f"{name} {value!r} is unknown; it is one of {', '.join(known)}.")
