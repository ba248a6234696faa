"""One TrainingRun: claimed by one worker, executed by its algorithm, its outcome recorded once."""

from __future__ import annotations

import errno
import hashlib
import logging
import platform
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from core.jobs import Lost
from models_service.models import Kind, ModelVersion
from models_service.services import register_best_of, register_version
from trainer.algorithms.distributed.job import Job
from trainer.algorithms.settings import BestOfNConfig, EvaluationConfig
from trainer.algorithms.stages import STAGES
from trainer.data.snapshots import file_sha256
from trainer.jobs import RUNS
from trainer.models import Evaluation, TrainingRound, TrainingRun
from trainer.runs import machine_memory
from trainer.runs.launcher import launch
from trainer.runs.log import logged, say
from trainer.runs.reporter import RunReporter
from trainer.states import Runs

logger = logging.getLogger(__name__)

# What `code_version` hashes, below the root; a test holds it against what these files import.
RESULT_CODE = (
    "trainer/algorithms/**/*.py",
    "models_service/lm/**/*.py",
    "trainer/algorithms/policy_vs_baseline.py",
    "labeling/intervals.py",
)
# What is counted in a run's notes, and why it was not used.
_SKIPPED = {
    "prompts_skipped_too_long": "prompts over max_prompt_tokens",
    "prompts_refused": "prompts that the model's chat template refuses",
    "responses_refused": "responses that the model has no tokens for",
}


@dataclass(frozen=True)
class Outcome:
    """How an execution ended; `stopped`: asked to, its state is kept."""

    result: dict[str, Any] = field(default_factory=dict)
    stopped: bool = False
    folder: Path | None = None


def execute(run_id: int) -> bool:
    """Execute the run if nobody else does; whether this call did.

    A message that comes twice, or after the run was finished, does nothing.
    """
    run = claim(run_id)
    if run is None:
        return False
    try:
        with RUNS.beating(run), logged(run) as log:
            outcome = _MEASURING.get(run.stage, _train)(run, RunReporter(run, log))
        close(run, outcome)
    except Lost as lost:
        logger.warning("%s", lost)
    except Exception as error:  # whatever a run dies of is told to the researcher
        logger.exception("%s failed", run)
        reason = explain(error)
        if RUNS.fail(run, reason):
            say(run, reason, "ERROR")
    return True


def claim(run_id: int) -> TrainingRun | None:
    """Take a run of a running round that nobody works on; None when there is none."""
    running = Q(round__state=TrainingRound.State.RUNNING)
    run = RUNS.claim(run_id, running, started_at=Coalesce("started_at", Now()))
    if run is None:
        return None
    run.executions.append(_execution(run.worker))
    RUNS.beat(run, executions=run.executions)
    machine_memory.forget_peak()
    place = f", having reached step {run.step} of {run.total_steps}." if run.step else "."
    say(run, f"Taken up by {run.worker}, attempt {run.attempts}{place}")
    return run


def close(run: TrainingRun, outcome: Outcome) -> None:
    """Record what came out, once; of a run that another worker took up, nothing."""
    if not outcome.stopped:
        _finish(run, outcome)
    elif RUNS.release(run, Q(round__state=TrainingRound.State.RUNNING)):
        say(run, "Its worker was asked to stop; the next one goes on from the saved state.")
    elif Runs.stop.apply(RUNS.held(run), worker="", attempts=0, ended_at=Now()):
        say(run, "Stopped; its state is kept.")


@transaction.atomic
def _finish(run: TrainingRun, outcome: Outcome) -> None:
    if not RUNS.finish(run, result=outcome.result, ended_at=Now()):
        return
    say(run, "Finished.")
    if output := _register(run, outcome):
        TrainingRun.objects.filter(pk=run.pk).update(output=output)
    if run.stage == "evaluation":
        _record_evaluation(run, outcome.result)
    transaction.on_commit(lambda: shutil.rmtree(run.work, ignore_errors=True))


def explain(error: Exception) -> str:
    """A sentence for the researcher: what happened, and what to do."""
    from models_service.lm.checkpoint import CheckpointError
    from trainer.algorithms.contract import TrainingError

    if isinstance(error, (TrainingError, CheckpointError)):
        return str(error)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "The disk is full. Free space where the checkpoints lie, then retry."
    if isinstance(error, MemoryError) or "memory" in f"{type(error).__name__} {error}".lower():
        return (
            "There was not enough memory. Retry on a larger machine or with fewer "
            "tokens_per_micro_batch."
        )
    what = f"{type(error).__name__}: {error}".rstrip(".")
    return f"Unexpected {what}. The training worker's log has the details; retry when it is mended."


def output_of(round: TrainingRound, stage: str) -> ModelVersion | None:
    """What a stage of the round has produced, if it has."""
    run = round.runs.filter(stage=stage).select_related("output").first()
    return run.output if run else None


def _execution(token: str) -> dict[str, Any]:
    """Who executes a run from now on, and with what: same code and libraries, same weights."""
    libraries = {name: version(name) for name in ("torch", "transformers", "tokenizers", "peft")}
    return {
        "at": timezone.now().isoformat(timespec="seconds"),
        "worker": token,
        "code": code_version(),
        "launcher": settings.TRAINING_LAUNCHER,
        "python": platform.python_version(),
        "memory": machine_memory.machine(),
        **libraries,
    }


@cache
def code_version(root: Path = Path(settings.BASE_DIR)) -> str:
    """A hash of the source that determines a run's result, given its snapshot, settings, seed and
    start: the algorithms, what they do with language models, the evaluation and its intervals."""
    files = sorted({path for pattern in RESULT_CODE for path in root.glob(pattern)})
    digest = hashlib.sha256()
    for path in files:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


def _train(run: TrainingRun, report: RunReporter) -> Outcome:
    folder = Path(settings.CHECKPOINT_DIR) / "rounds" / str(run.round_id) / run.stage
    versions = _versions(run.config["start"])
    job = Job(
        stage=run.stage,
        settings=run.config["settings"],
        snapshot=str(_snapshot(run)),
        start={name: str(version.folder) for name, version in versions.items()},
        out=str(folder),
        work=str(run.work),
        pretraining_text=settings.PRETRAINING_TEXT or None,
    )
    launcher = settings.TRAINING_LAUNCHER
    result = launch(job, report, launcher, settings.BASE_DIR) if launcher else job.do(report)
    if result.stopped:
        return Outcome(stopped=True)
    _say_skipped(run, result.notes)
    return Outcome({"metrics": result.metrics, "notes": result.notes}, folder=folder)


def _best_of_n(run: TrainingRun, report: RunReporter) -> Outcome:
    from trainer.algorithms import best_of_n
    from trainer.algorithms.contract import Starts

    versions = _versions(run.config["start"])
    result = best_of_n.measure(
        BestOfNConfig.from_dict(run.config["settings"]),
        snapshot=_snapshot(run),
        start=Starts(**{name: version.folder for name, version in versions.items()}),
        report=report,
    )
    if result.stopped:
        return Outcome(stopped=True)
    _say_skipped(run, result.notes)
    return Outcome({"metrics": result.metrics, "notes": result.notes})


def _evaluate(run: TrainingRun, report: RunReporter) -> Outcome:
    from trainer.algorithms import policy_vs_baseline

    versions = _versions(run.config["start"])
    folders = {name: version.folder for name, version in versions.items()}
    contest = policy_vs_baseline.Contest(**folders, best_of=versions["policy"].best_of)
    config = EvaluationConfig.from_dict(run.config["settings"])
    figures = policy_vs_baseline.evaluate(
        config, snapshot=_snapshot(run), contest=contest, report=report
    )
    if figures is None:
        return Outcome(stopped=True)
    notes = _fewer_prompts(config, figures) | in_words(figures.pop("skipped"))
    for note in notes.values():
        say(run, note)
    return Outcome({"figures": figures, "notes": notes})


def in_words(counts: Mapping[str, Any]) -> dict[str, str]:
    """What a run could not use, a sentence each, from its notes."""
    return {
        name: f"{counts[name]} {'was' if counts[name] == 1 else 'were'} skipped: {why}."
        for name, why in _SKIPPED.items()
        if counts.get(name)
    }


def _say_skipped(run: TrainingRun, notes: Mapping[str, Any]) -> None:
    for sentence in in_words(notes).values():
        say(run, sentence)


def _fewer_prompts(config: EvaluationConfig, figures: Mapping[str, Any]) -> dict[str, str]:
    """That fewer prompts were asked than the recipe says, where there were no more."""
    asked = figures["win_rate"]["n"] // config.answers_per_prompt
    if asked == config.prompts:
        return {}
    sentence = (
        f"{asked} prompts were asked, not the recipe's {config.prompts}: the snapshot has no more "
        f"validation prompts of {config.max_prompt_tokens} tokens at most that can be asked."
    )
    return {"prompts": sentence}


# The stages that train nothing.
_MEASURING: Mapping[str, Callable[[TrainingRun, RunReporter], Outcome]] = {
    "best_of_n": _best_of_n,
    "evaluation": _evaluate,
}


def _versions(starts: Mapping[str, int]) -> dict[str, ModelVersion]:
    found = ModelVersion.objects.in_bulk(list(starts.values()))
    return {name: found[pk] for name, pk in starts.items()}


def _snapshot(run: TrainingRun) -> Path:
    """The snapshot's file, which must be the one that was frozen. Raises TrainingError."""
    from trainer.algorithms.contract import TrainingError

    snapshot = run.round.snapshot
    assert snapshot is not None, "a round is frozen before its first stage"
    if snapshot.erased_at:
        raise TrainingError(
            f"{snapshot} was destroyed because a person in it was erased. Start a new round, which "
            "freezes the labels that are left."
        )
    if snapshot.path.exists() and file_sha256(snapshot.path) != snapshot.sha256:
        raise TrainingError(
            f"{snapshot.path} is not the file that was frozen: its sha256 differs. Restore it from "
            "a backup, or start a new round."
        )
    return snapshot.path


def _register(run: TrainingRun, outcome: Outcome) -> ModelVersion | None:
    """The version that the run made: new weights, or the best of n answers of its policy."""
    if run.stage == "best_of_n":
        starts, n = _versions(run.config["start"]), run.config["settings"]["n"]
        return register_best_of(
            name=f"round-{run.round_id}-best-of-{n}",
            version=starts["policy"],
            judge=starts["reward"],
            n=n,
            figures=outcome.result["metrics"],
        )
    if outcome.folder is None:
        return None
    stage = STAGES[run.stage]
    return register_version(
        name=f"round-{run.round_id}-{stage.version}",
        kind=Kind(stage.outcome),
        folder=outcome.folder,
        parent=_versions(run.config["start"])["policy"],
        figures=outcome.result["metrics"],
    )


def _record_evaluation(run: TrainingRun, result: Mapping[str, Any]) -> None:
    start = _versions(run.config["start"])
    reward = run.round.runs.filter(stage="reward").first()
    accuracy = _accuracy(reward.result.get("metrics", {})) if reward else {}
    Evaluation.objects.create(
        version=start["policy"],
        baseline=start["baseline"],
        round=run.round,
        judge=Evaluation.Judge.REWARD,
        split="validation",
        figures=result["figures"] | accuracy,
    )


def _accuracy(metrics: Mapping[str, float]) -> dict[str, Any]:
    """The reward model's accuracy on validation pairs, by group of labelers, with intervals."""
    figures = {}
    for group in ("training", "held_out"):
        name = f"eval/{group}/accuracy"
        if name in metrics:
            figures[f"reward_accuracy_{group}"] = {
                "value": metrics[name],
                "low": metrics[f"{name}_low"],
                "high": metrics[f"{name}_high"],
                "n": int(metrics[f"eval/{group}/pairs"]),
            }
    return figures
