"""Training in processes of their own, several of them on as many GPUs: started, heard, stopped.

The worker keeps the run's heartbeat and rows; the processes that TRAINING_LAUNCHER starts see files
alone. docs/distributed.md says how it is set up.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trainer.algorithms.contract import Reporter, Result, TrainingError
from trainer.algorithms.distributed.job import MARK, Job

LAST_LINES = 20
SECONDS_TO_END = 30


class LaunchError(RuntimeError):
    """The processes ended without a result; the message holds the last they wrote."""


def launch(job: Job, report: Reporter, launcher: str, root: Path) -> Result:
    """Do the job in the processes that the command `launcher` starts, and pass on what they tell.

    Raises TrainingError for what the algorithm said, LaunchError for anything else.
    """
    path = Path(job.work) / "job.json"
    job.write(path)
    job.stop_file.unlink(missing_ok=True)
    command = [*_command(launcher), "-m", "trainer.algorithms.distributed.job", str(path)]
    last: deque[str] = deque(maxlen=LAST_LINES)
    with _started(command, root) as process:
        assert process.stdout is not None
        outcome = _listen(process.stdout, job, report, last)
        code = process.wait()
    if "failed" in outcome:
        raise TrainingError(outcome["failed"])
    if "result" not in outcome:
        raise LaunchError(f"{command[0]} ended with code {code}: {' '.join(last)}")
    return Result(**outcome["result"])


def _command(launcher: str) -> Sequence[str]:
    """The launcher's words; what lies beside this Python is found without a PATH."""
    words = shlex.split(launcher)
    beside = Path(sys.executable).parent / words[0]
    return [str(beside) if beside.exists() else words[0], *words[1:]]


def _listen(lines: Iterator[str], job: Job, report: Reporter, last: deque[str]) -> dict[str, Any]:
    outcome: dict[str, Any] = {}
    for line in lines:
        if not line.startswith(MARK):
            last.append(line.strip())
            continue
        event = json.loads(line[len(MARK) :])
        match event:
            case {"metrics": [step, total, values]}:
                report.metrics(step, total, values)
            case {"sample": [step, rows]}:
                report.sample(step, rows)
            case _:
                outcome |= event
        if report.should_stop():
            job.stop_file.touch()
    return outcome


@contextmanager
def _started(command: Sequence[str], root: Path) -> Iterator[subprocess.Popen[str]]:
    """The processes, ended with the block however it ends."""
    process = subprocess.Popen(
        command, cwd=root, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                process.kill()
