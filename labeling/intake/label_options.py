"""What somebody says of all rows of a file of labels, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import PurePath
from typing import Any, NoReturn

from core.problems import Problem
from labeling.intake.labels.about import HERE, IMPORTED, Options, split_named
from labeling.intake.labels.shapes import COLUMNS
from labeling.intake.rows import RowError
from labeling.models import LabelSet

_LONGEST_SET, _LONGEST_LICENCE = 120, 200


def label_options(
    *, name: str, of: str = "", licence: str = "", split: str = "", columns: Mapping[str, str]
) -> dict[str, Any]:
    """The options of an import of labels from a file of this name. Raises Problem 400.

    A set whose licence is known here needs no other.
    """
    if of in (HERE, IMPORTED) or len(of) > _LONGEST_SET:
        _refuse(
            "set",
            f"A set has a name of at most {_LONGEST_SET} characters other than {HERE} "
            f"and {IMPORTED}.",
        )
    if len(licence) > _LONGEST_LICENCE:
        _refuse("licence", f"The name of a licence has at most {_LONGEST_LICENCE} characters.")
    if of and not licence:
        known = LabelSet.objects.filter(name=of).exclude(licence="").order_by("-pk").first()
        licence = known.licence if known else ""
    try:
        split = split_named(split) if split else ""
    except RowError as error:
        _refuse("split", f"{error}.")
    for ours, theirs in columns.items():
        if ours not in COLUMNS or not theirs:
            _refuse(
                "columns",
                f"{ours!r} is no column of a label, or its other name is missing; "
                f"columns are {', '.join(sorted(COLUMNS))}.",
            )
    return asdict(Options(PurePath(name).stem[:_LONGEST_SET], of, licence, split, dict(columns)))


def _refuse(field: str, sentence: str) -> NoReturn:
    raise Problem(400, sentence, errors={field: [sentence]})
