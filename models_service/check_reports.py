"""What `check_model` measured of a model, as it is kept with a version: its verdict, in words.

A report is `{"model", "family", "accepted", "findings": [{"name", "title", "ok", "says",
"measured"}], "facts": {"context", "layout", "refuses", …}}`; an empty one stands for no check yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

UNCHECKED = "not checked yet"


def refusal(report: Mapping[str, Any]) -> str:
    """What the first thing that does not work says, or "" where all works."""
    return next((one["says"] for one in report.get("findings", ()) if not one["ok"]), "")


def summary(report: Mapping[str, Any]) -> str:
    """The report in a line: how much of it works, how long a text it reads, how rows are laid."""
    if not report:
        return UNCHECKED
    findings, facts = report["findings"], report["facts"]
    said = [f"{sum(one['ok'] for one in findings)} of {len(findings)} things work"]
    if facts.get("context"):
        said.append(f"reads {facts['context']} tokens")
    if facts.get("layout"):
        said.append(f"rows: {facts['layout']}")
    return "; ".join(said)
