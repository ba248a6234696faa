"""One training stage as data: what it is given and what it said, so that other processes can do it.

Started as `python -m trainer.algorithms.distributed.job FILE` in every process that trains
together; the first of them tells what happens, one JSON object a line after MARK, on its standard
output.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trainer.algorithms.contract import Reporter, Result, Starts, TrainingError
from trainer.algorithms.room import require_room
from trainer.algorithms.stages import STAGES

# No library that writes to the same place begins a line so.
MARK = "\x1e"


@dataclass(frozen=True)
class Job:
    """A stage of a round with everything it needs; paths as text."""

    stage: str
    settings: Mapping[str, Any]
    snapshot: str
    start: Mapping[str, str]
    out: str
    work: str
    pretraining_text: str | None = None

    @property
    def stop_file(self) -> Path:
        """There while the job is asked to stop."""
        return Path(self.work) / "stop"

    def write(self, path: Path) -> None:
        """Keep it as a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self)))

    def do(self, report: Reporter) -> Result:
        """Train. Raises TrainingError and CheckpointError."""
        # Loaded here: the worker that writes a job's file, and waits for its processes, needs
        # neither torch nor the trainers for it.
        stage = STAGES[self.stage]
        config = stage.config.from_dict(self.settings)
        # Before any model is read: what is refused here costs seconds.
        require_room(config.to_dict(), self.start)
        text = Path(self.pretraining_text) if self.pretraining_text else None
        result: Result = stage.train(
            config,
            snapshot=Path(self.snapshot),
            start=Starts(**{name: Path(folder) for name, folder in self.start.items()}),
            out=Path(self.out),
            work=Path(self.work),
            report=report,
            **({"pretraining_text": text} if stage.reads_pretraining else {}),
        )
        return result


class Teller:
    """A reporter that writes what it is told to standard output."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def metrics(self, step: int, total: int, values: Mapping[str, float]) -> None:
        tell(metrics=[step, total, dict(values)])

    def sample(self, step: int, rows: list[dict[str, Any]]) -> None:
        tell(sample=[step, rows])

    def should_stop(self) -> bool:
        return self.job.stop_file.exists()


def tell(**event: Any) -> None:
    """Write an event; fails when nobody reads any more, so that no orphan goes on."""
    sys.stdout.write(f"{MARK}{json.dumps(event)}\n")
    # A pipe holds kilobytes back: the run's page would show a step when many more are done.
    sys.stdout.flush()


def main(path: Path) -> None:
    """Do the job in that file, together with the processes that were started for it."""
    from models_service.lm.checkpoint import CheckpointError
    from trainer.algorithms.distributed.group import Crew

    job, crew = Job(**json.loads(path.read_text())), Crew()
    try:
        result = job.do(Teller(job))
    except (TrainingError, CheckpointError) as error:
        # All processes fail alike, and one says so; the others tell the launcher by their exit.
        if crew.is_first:
            tell(failed=str(error))
        sys.exit(1)
    if crew.is_first:
        tell(result=asdict(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
