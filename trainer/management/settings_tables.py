"""The tables of settings on the algorithms' documentation pages, made from their declarations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from trainer.algorithms.config import Config
from trainer.algorithms.stages import STAGES

BEGIN, END = "## Settings\n", "\n## "


def pages() -> Mapping[str, type[Config]]:
    """The settings of each stage that makes a version, by the name of its page in docs/."""
    return {stage.name: stage.config for stage in STAGES.values() if stage.outcome}


def with_table(page: str, config: type[Config]) -> str:
    """The page with its section "Settings" written anew. Raises ValueError where there is none."""
    before, _, after = page.partition(BEGIN)
    _, mark, rest = after.partition(END)
    if not mark:
        raise ValueError(f"the page has no section {BEGIN.strip()!r} followed by another")
    return f"{before}{BEGIN}\n{_table(config)}{END}{rest}"


def _table(config: type[Config]) -> str:
    rows = ["| setting | default | paper | meaning |", "|---|---|---|---|"]
    for field in fields(config):
        paper = field.metadata["paper"]
        known = "–" if paper is None else _plain(paper)
        meaning = field.metadata["help"]
        rows.append(f"| `{field.name}` | {_plain(field.default)} | {known} | {meaning} |")
    return "\n".join(rows) + "\n"


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
