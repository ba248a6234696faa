"""The state machines of the trainer as data; docs/states.md is drawn from them."""

from __future__ import annotations

from core.states import Move
from trainer.models import Export, Measurement, TrainingRound, TrainingRun


class Rounds:
    """A training round; one is running at a time."""

    starts = (TrainingRound.State.QUEUED,)
    begin = Move(("queued",), "running", "no other round is running")
    pause = Move(("running", "queued"), "paused", "a researcher pauses it")
    resume = Move(("paused",), "queued", "a researcher resumes it")
    cancel = Move(("queued", "running", "paused", "failed"), "cancelled", "a researcher cancels it")
    retry = Move(("failed", "cancelled"), "queued", "a researcher tries it again")
    fail = Move(("running",), "failed", "a stage failed, or it could not go on")
    finish = Move(("running",), "finished", "its stages are done")


class Runs:
    """One stage of a round, a job of a training worker."""

    starts = (TrainingRun.State.QUEUED,)
    take = Move(("queued", "running"), "running", "a worker takes it up, a dead worker's too")
    finish = Move(("running",), "finished", "the stage is done")
    fail = Move(("running",), "failed", "it cannot go on, or its worker died too often")
    release = Move(("running",), "queued", "its worker is asked to stop")
    stop = Move(("running",), "stopped", "its round was paused or cancelled")
    withdraw = Move(("queued",), "stopped", "its round is paused or cancelled")
    retry = Move(("queued", "failed", "stopped"), "stopped", "its round is tried again")
    reopen = Move(("stopped",), "queued", "its round goes on")


class Measurements:
    """What is worked out with a reward model, a job of a sampling worker."""

    starts = (Measurement.State.QUEUED,)
    take = Move(("queued", "running"), "running", "a worker takes it up, a dead worker's too")
    finish = Move(("running",), "finished", "its figures are there")
    fail = Move(("running",), "failed", "it cannot go on, or its worker died too often")
    release = Move(("running",), "queued", "its worker is asked to stop")


class Exports:
    """Labels as a file, a job of a worker."""

    starts = (Export.State.QUEUED,)
    take = Move(("queued", "running"), "running", "a worker takes it up, a dead worker's too")
    finish = Move(("running",), "finished", "the file is written")
    fail = Move(("running",), "failed", "it cannot be written, or its worker died too often")
    release = Move(("running",), "queued", "its worker is asked to stop")
    expire = Move(("finished", "failed"), "expired", "its file has lain for long enough")
    withdraw = Move(
        ("queued", "running", "finished", "failed", "expired"),
        "withdrawn",
        "a person in it was erased",
    )


MACHINES = (Rounds, Runs, Measurements, Exports)
