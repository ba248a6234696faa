"""What leaves the installation, one module a format, streaming.

Only labels of training labelers on the training and validation splits leave; what measures (the
test split, the held-out labelers) stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from labeling.exports import trl, whole

Row = dict[str, Any]

FORMATS: Mapping[str, Mapping[str, Callable[[str], Iterator[Row]]]] = {
    "demonstrations": {"jsonl": whole.demonstrations, "trl": trl.demonstrations},
    "rankings": {"jsonl": whole.rankings},
    "pairs": {"jsonl": whole.pairs, "trl": trl.pairs},
}
"""What can be exported → in which format → the rows of a split."""

SPLITS = ("train", "validation")
