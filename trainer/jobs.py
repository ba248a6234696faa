"""The trainer's long work as jobs: runs of a round, measurements, exports."""

from __future__ import annotations

import hashlib

from core.jobs import MOST_DEATHS, Jobs
from trainer.models import Export, Measurement, TrainingRun
from trainer.states import Exports, Measurements, Runs

_DIED = f"Its worker died {MOST_DEATHS} times in a row, most likely for lack of memory. "


def _saved_states(run: TrainingRun) -> str:
    """Names the states and folds that lie in the run's work folder; "" where there are none."""
    names = [*run.work.rglob("state-*"), *run.work.rglob("fold-*.json")]
    listed = "\n".join(sorted(path.relative_to(run.work).as_posix() for path in names))
    return hashlib.sha256(listed.encode()).hexdigest()[:16] if listed else ""


RUNS = Jobs(
    TrainingRun,
    take=Runs.take,
    done=Runs.finish,
    broken=Runs.fail,
    back=Runs.release,
    died=_DIED + "Retry on a larger machine or with fewer tokens_per_micro_batch.",
    saved=_saved_states,
)
MEASUREMENTS = Jobs(
    Measurement,
    take=Measurements.take,
    done=Measurements.finish,
    broken=Measurements.fail,
    back=Measurements.release,
    died=_DIED + "Ask again on a machine with more memory.",
)
EXPORTS = Jobs(
    Export,
    take=Exports.take,
    done=Exports.finish,
    broken=Exports.fail,
    back=Exports.release,
    died=_DIED + "Ask for fewer labels, by a split or a filter.",
    saved=lambda export: str(export.done or ""),
)
