"""A batch of rows → labels to be staged with their cleaned prompts, and the bad rows by line."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from labeling.intake.cleaning import Examined, Recognisers, examined
from labeling.intake.examining import Looked
from labeling.intake.labels.about import About, Options, about, of_prompt
from labeling.intake.labels.gathering import Run
from labeling.intake.labels.parsed import Label
from labeling.intake.labels.shapes import SHAPES, shape_of, unread
from labeling.intake.labels.trees import Bad
from labeling.intake.privacy import installed_names
from labeling.intake.prompts import split_of
from labeling.intake.readers import Row
from labeling.intake.rows import NewPrompt, RowError, parse

_KEPT = 300  # characters of a bad row that are shown


@dataclass(frozen=True)
class _Found:
    """A label of a row, its prompt checked."""

    line: int
    shape: str
    label: Label
    about: About
    prompt: NewPrompt


def look_at(batch: list[Row], region: str, pipeline: str, options: Options) -> Looked:
    """What a batch of gathered rows turned out to be."""
    found: list[_Found] = []
    bad: list[tuple[int, str, str]] = []
    tally: dict[str, Counter[str]] = {"shapes": Counter(), "ignored": Counter()}
    for row in batch:
        try:
            found += _labels(row, options, tally)
        except Bad as error:
            bad += [
                (line or row.line, reason, _excerpt(row)) for line, reason in error.lines.items()
            ]
        except RowError as error:
            bad.append((_line_of(row), str(error), row.text or _excerpt(row)))
    prompts = examined(
        [one.prompt for one in found], Recognisers(region, installed_names(pipeline))
    )
    good = [_staged(one, prompt) for one, prompt in zip(found, prompts, strict=True)]
    tally["kinds"] = Counter(one.label.kind for one in found)
    tally["sets"] = Counter(one.about.of for one in found)
    tally["personal"] = Counter(
        kind for one in prompts for kind in {span["kind"] for span in one.spans}
    )
    rows = sum(len(row.value.rows) if isinstance(row.value, Run) else 1 for row in batch)
    return Looked(_numbered(good), bad, tally, batch[-1].after, rows)


def _labels(row: Row, options: Options, tally: dict[str, Counter[str]]) -> list[_Found]:
    """Raises RowError and Bad."""
    if row.error:
        raise RowError("", row.error)
    run = row.value if isinstance(row.value, Run) else None
    name = run.shape if run else shape_of(row.value)
    shape = SHAPES[name]
    found = []
    for label in shape.labels(run.rows if run else row.value):
        told = about(label.row, options, own=shape.own)
        author = f"{told.of}/{told.author}" if told.author else ""
        prompt = parse({**of_prompt(label.row), **label.prompt, "author": author})
        line = label.line or _line_of(row)
        found.append(_Found(line, name, label, told, prompt))
    for one in [value for _, value in run.rows] if run else [row.value]:
        tally["ignored"].update(unread(one, shape))
    tally["shapes"][shape.title] += len(found)
    return found


def _staged(one: _Found, prompt: Examined) -> tuple[int, str, str, str]:
    """Line, the row's own name, its cleaned prompt, and the label with what it must not repeat."""
    told, label = one.about, one.label
    fingerprint = prompt.marks.fingerprint
    answers = sorted(answer.text for answer in label.answers)
    said = label.told()
    content = [told.of, told.id, told.labeler, fingerprint, said["answers"]]
    staged = {
        **said,
        **vars(told),
        "form": one.shape,
        "given": bool(told.split),
        "split": told.split or split_of(prompt.row.author, "", _family(one) or fingerprint),
        "task": _digest([told.labeler, fingerprint, answers])
        if told.labeler and label.kind == "ranking" and one.shape != "own pairs"
        else "",
        "digest": _digest(content),
    }
    name = str(label.row.get("id", "")) if "pairs" not in one.shape and not label.family else ""
    return one.line, name[:200], json.dumps(prompt.as_dict()), json.dumps(staged)


def _family(one: _Found) -> str:
    return f"{one.about.of}/{one.label.family}" if one.label.family else ""


def _numbered(good: Sequence[tuple[int, str, str, str]]) -> list[tuple[Any, ...]]:
    """With the number of each label among those of its line."""
    seen: Counter[int] = Counter()
    numbered = []
    for line, *rest in good:
        numbered.append((line, seen[line], *rest))
        seen[line] += 1
    return numbered


def _line_of(row: Row) -> int:
    """A run is named by its first row."""
    return row.value.rows[0][0] if isinstance(row.value, Run) else row.line


def _excerpt(row: Row) -> str:
    value = dict(row.value.rows[:1]) if isinstance(row.value, Run) else row.value
    return json.dumps(value, ensure_ascii=False, default=str)[:_KEPT]


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
