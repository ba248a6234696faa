"""What leaves the installation, streaming: one module a family of shapes, one for the files.

orders.py       what is asked for, checked: no test split, no held-out labelers
whole.py trl.py the shapes a label can leave in
files.py        writing: whole or not at all, resumed where it stopped, a manifest beside it
containers.py   JSON lines made into Parquet or CSV
pseudonyms.py   who labeled, told by a name that stays and says nothing
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from labeling.exports import trl, whole

Row = dict[str, Any]


@dataclass(frozen=True)
class Shape:
    """How a label leaves: a line or several, each with the columns of the schema."""

    title: str
    lines: Callable[[Row], Iterator[Row]]
    schema: Mapping[str, str]


SHAPES: Mapping[str, Mapping[str, Shape]] = {
    "demonstrations": {
        "whole": Shape("everything", whole.unchanged, whole.DEMONSTRATION),
        "chat": Shape("chat, messages alone", trl.chat, trl.CHAT),
        "trl": Shape("TRL SFT, prompt and completion", trl.completion, trl.COMPLETION),
    },
    "rankings": {
        "whole": Shape("everything", whole.unchanged, whole.RANKING),
        "kto": Shape("KTO, a completion that is liked or not", trl.liked, trl.LIKED),
    },
    "pairs": {
        "whole": Shape("everything", whole.compared, whole.PAIR),
        "trl": Shape("TRL preference with margin", trl.preference, trl.PREFERENCE),
        "dpo": Shape("DPO, chosen and rejected alone", trl.dpo, trl.DPO),
    },
}
"""What can be exported → in which shapes. Pairs are made of rankings."""

FILES = ("jsonl", "parquet", "csv")
SPLITS = ("train", "validation")
