"""What is found out about a prompt before it is stored. Pure functions.

Its fingerprints and band keys say what it is a duplicate of, its spans what is personal in it; its
language is detected where the row does not name one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from labeling.intake import privacy
from labeling.intake.dedupe import band_keys, fingerprint, prefix_fingerprint, spoken
from labeling.intake.languages import language_of
from labeling.intake.parts import Texts, parts
from labeling.intake.rows import NewPrompt


@dataclass(frozen=True)
class Recognisers:
    """What personal data is looked for with; see `labeling.intake.privacy.find`."""

    region: str = "US"
    names: privacy.Names | None = None


@dataclass(frozen=True)
class Marks:
    """What tells a text from others: equal ones, ones that begin alike, ones that are alike."""

    fingerprint: str
    prefix_fingerprint: str
    bands: list[int]


@dataclass(frozen=True)
class Examined:
    """A checked prompt with what was found out about it; `spans` as `spans_of` gives them."""

    row: NewPrompt
    marks: Marks
    spans: list[dict[str, Any]]

    def as_dict(self) -> dict[str, Any]:
        """As it is staged."""
        return {"row": vars(self.row), "marks": vars(self.marks), "spans": self.spans}

    @classmethod
    def from_dict(cls, staged: dict[str, Any]) -> Examined:
        """What `as_dict` made."""
        return cls(NewPrompt(**staged["row"]), Marks(**staged["marks"]), staged["spans"])


def examined(rows: Sequence[NewPrompt], recognisers: Recognisers) -> list[Examined]:
    """Everything about these rows.

    One question for all rows after the other, since what each of them looks up fills a processor's
    cache; a row at a time takes a third longer.
    """
    said = [spoken(row.messages) for row in rows]
    languages = [row.language or language_of(text) for row, text in zip(rows, said, strict=True)]
    marks = [_marks(row.messages, text) for row, text in zip(rows, said, strict=True)]
    spans = [spans_of(row, recognisers) for row in rows]
    named = [replace(row, language=code) for row, code in zip(rows, languages, strict=True)]
    return [Examined(*found) for found in zip(named, marks, spans, strict=True)]


def marks_of(messages: Sequence[dict[str, str]]) -> Marks:
    """The marks of a conversation."""
    return _marks(messages, spoken(messages))


def _marks(messages: Sequence[dict[str, str]], said: str) -> Marks:
    return Marks(fingerprint(messages), prefix_fingerprint(said), band_keys(said))


def spans_of(prompt: Texts, recognisers: Recognisers) -> list[dict[str, Any]]:
    """`{part, start, end, kind}` of everything personal, part by part (`parts`)."""
    effort = privacy.Effort()
    return [
        {"part": name, "start": span.start, "end": span.end, "kind": str(span.kind)}
        for name, text in parts(prompt).items()
        for span in privacy.find(
            text, region=recognisers.region, names=recognisers.names, effort=effort
        )
    ]


def redacted(prompt: Texts, spans: Sequence[dict[str, Any]]) -> dict[str, str]:
    """The parts that spans stand in, each span replaced by its kind, such as [EMAIL]."""
    texts = parts(prompt)
    of_part: dict[str, list[privacy.Span]] = {}
    for span in spans:
        placed = privacy.Span(span["start"], span["end"], span["kind"])
        of_part.setdefault(span["part"], []).append(placed)
    return {
        name: privacy.redact(texts[name], found) for name, found in of_part.items() if name in texts
    }
