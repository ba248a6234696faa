"""Our own contender: a run of `trainer.algorithms` on the workload's snapshot, timed by step.

Usage: python tutelage.py JOBFILE, with the job {"algorithm", "config", "snapshot", "policy",
"reward", "steps", "never_stop"}.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stopwatch import Enough, Stopwatch

from trainer.algorithms import ppo, reward, sft
from trainer.algorithms.contract import Starts

ALGORITHMS = {
    "sft": (sft, sft.SFTConfig),
    "reward": (reward, reward.RewardConfig),
    "ppo": (ppo, ppo.PPOConfig),
}
NEVER = 10**9


class TimingReporter:
    """A step lasts from the question whether to stop to the report of its metrics."""

    def __init__(self, watch: Stopwatch) -> None:
        self.watch = watch

    def metrics(self, step: int, total: int, values: Mapping[str, float]) -> None:
        if step:
            self.watch.stop(**{k: v for k, v in values.items() if k.startswith("time/")})

    def sample(self, step: int, rows: list[dict[str, Any]]) -> None:
        """Nothing to look at."""

    def should_stop(self) -> bool:
        self.watch.start()
        return False


def run(job: dict[str, Any]) -> Stopwatch:
    """Train until enough steps are timed; nothing is saved on the way."""
    module, config_class = ALGORITHMS[job["algorithm"]]
    config = config_class.from_dict({**job["config"], "checkpoint_every": NEVER})
    start = Starts(Path(job["policy"]), Path(job["reward"]) if job.get("reward") else None)
    watch = Stopwatch(job["steps"])
    if job.get("never_stop"):
        # Both contenders write responses of full length: the same work for each.
        ppo.stop_token_ids = lambda tokenizer: ()
    with tempfile.TemporaryDirectory() as folder:
        places = {"out": Path(folder) / "out", "work": Path(folder) / "work"}
        try:
            module.train(
                config,
                snapshot=Path(job["snapshot"]),
                start=start,
                **places,
                report=TimingReporter(watch),
            )
        except Enough:
            return watch
    raise RuntimeError("the snapshot has too few rows for so many steps")


if __name__ == "__main__":
    run(json.loads(Path(sys.argv[1]).read_text())).print()
