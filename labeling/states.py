"""The state machines of labeling as data; docs/states.md is drawn from them.

A `Move` is applied by compare-and-set: rows that have left its sources meanwhile stay as they are,
and the count says how many moved, so that whoever comes second does nothing.
"""

from __future__ import annotations

from core.states import Move
from labeling.models import Assignment, Import, LabelingTask, Prompt, Slot


class Tasks:
    """A labeling task; ranking tasks start in sampling, the others open."""

    starts = (LabelingTask.State.SAMPLING, LabelingTask.State.OPEN)
    open = Move(("sampling",), "open", "its completions are stored")
    fail = Move(("sampling",), "broken", "no model can answer its prompt")
    expire = Move(("sampling", "open"), "expired", "its policy was retired, unlabeled")
    revive = Move(("expired",), "open", "the expiry is undone")


class Slots:
    """One label that is wanted."""

    starts = (Slot.State.FREE,)
    hold = Move(("free",), "held", "a labeler claims it, or comes back in time")
    free = Move(("held",), "free", "the lease ran out or the labeler released it")
    fill = Move(("held", "free"), "filled", "the label is submitted, late ones included")
    close = Move(("free",), "closed", "its task expired")
    reopen = Move(("filled",), "held", "the label is sent back to its labeler")
    unclose = Move(("closed",), "free", "the expiry is undone")


class Assignments:
    """One labeler's work on one task; the draft outlives every move."""

    starts = (Assignment.State.ACTIVE, Assignment.State.RESERVED)
    begin = Move(("reserved",), "active", "the one before is done")
    lapse = Move(("active", "reserved"), "lapsed", "the lease ran out")
    resume = Move(("lapsed",), "active", "the labeler comes back and a slot is free")
    reserve = Move(("lapsed",), "reserved", "it comes next and a slot is free")
    release = Move(("active", "lapsed", "reserved"), "released", "the labeler skips the task")
    submit = Move(("active", "lapsed", "reserved"), "submitted", "the label is stored")
    reopen = Move(("submitted",), "active", "the label is sent back")
    recall = Move(("active", "lapsed"), "submitted", "the sending back is undone")


class Prompts:
    """A prompt; what is not active is neither asked nor trained on."""

    starts = (Prompt.State.ACTIVE, Prompt.State.QUARANTINED, Prompt.State.DUPLICATE)
    quarantine = Move(("active",), "quarantined", "personal data is found in it later")
    link = Move(("quarantined",), "duplicate", "it goes on, and is nearly one that is kept")
    release = Move(("quarantined",), "active", "it is redacted, or released as it is")
    drop = Move(("quarantined",), "withdrawn", "it is dropped")
    withdraw = Move(("active",), "withdrawn", "it is withdrawn, or amended by its author")
    restore = Move(("withdrawn",), "active", "it is made active again")


class Imports:
    """A file of prompts or labels on its way in."""

    starts = (Import.State.RECEIVING, Import.State.QUEUED)
    ended = (Import.State.FINISHED, Import.State.FAILED, Import.State.CANCELLED)
    receive = Move(("receiving",), "queued", "its last piece is here")
    check = Move(("queued", "checking"), "checking", "a worker takes it up")
    checked = Move(("checking",), "checked", "every row is checked")
    accept = Move(("checked",), "accepted", "somebody says so")
    store = Move(("accepted", "storing"), "storing", "a worker takes it up")
    finish = Move(("storing",), "finished", "its good rows are stored")
    wait = Move(("checking",), "checking", "its worker makes room for others, or is asked to stop")
    undo = Move(("storing",), "accepted", "its worker is asked to stop")
    fail = Move(("checking", "storing"), "failed", "it cannot be read or stored")
    cancel = Move(
        ("receiving", "queued", "checking", "checked", "accepted", "storing"),
        "cancelled",
        "somebody says so, or nobody went on with it",
    )


MACHINES = (Tasks, Slots, Assignments, Prompts, Imports)
