"""Makes the fixtures that tests/trainer/algorithms/test_oracle_trl.py compares our losses with.

`python benchmarks/oracle.py` runs TRL's own trainers, in their environments, on the tiny model and
writes tests/trainer/algorithms/fixtures/trl_*.json: inputs, losses and gradients, and the versions
that made them. Weights are drawn by numpy from a seed, so the fixtures need not hold them. Nothing
of TRL's arithmetic is written down here again: the numbers are read out of the running trainers.
"""

from __future__ import annotations

import json

from environment import ROOT, TRL, TRL_WITH_PPO, trl_python
from machine import run_contender

FIXTURES = ROOT / "tests" / "trainer" / "algorithms" / "fixtures"


def main() -> None:
    """One fixture an algorithm."""
    FIXTURES.mkdir(exist_ok=True)
    for algorithm, version in {"reward": TRL, "sft": TRL, "ppo": TRL_WITH_PPO}.items():
        job = {"algorithm": algorithm}
        fixture = run_contender(trl_python(version), "contenders/trl_oracle.py", job)
        del fixture["load"]
        path = FIXTURES / f"trl_{algorithm}.json"
        path.write_text(json.dumps(fixture, separators=(",", ":")) + "\n")
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
