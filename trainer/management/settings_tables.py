"""The tables of settings on the algorithms' documentation pages, made from their declarations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from trainer.algorithms.config import Config
from trainer.algorithms.settings import BestOfNConfig, PPOConfig, RewardConfig, SFTConfig

PAGES: Mapping[str, type[Config]] = {
    "sft": SFTConfig,
    "reward": RewardConfig,
    "best_of_n": BestOfNConfig,
    "ppo": PPOConfig,
}
BEGIN, END = "## Settings\n", "\n## "


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
