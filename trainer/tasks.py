"""What the workers do for rounds: execute a run, take each round's next step, revive lost runs."""

from __future__ import annotations

import logging

from celery import shared_task
from django.db import transaction
from django.utils import timezone

from models_service.models import ModelVersion
from trainer.data import disk_retention, export_jobs
from trainer.evaluation import ensemble_disagreement, jobs, model_checks
from trainer.jobs import EXPORTS, MEASUREMENTS, RUNS
from trainer.models import TrainingRound
from trainer.rounds import decide, reads
from trainer.rounds.schedules import start_due
from trainer.rounds.steps import (
    begin,
    fail_between_stages,
    fail_round,
    finish_round,
    freeze_labels,
    open_run,
    take_up_abandoned,
)
from trainer.runs import runner

logger = logging.getLogger(__name__)


@shared_task
def execute_run(run_id: int) -> None:
    """Execute one stage of a round; on the training queue. Delivered twice, it runs once."""
    if runner.execute(run_id):
        if RUNS.waits(run_id):  # this worker is asked to stop
            execute_run.delay(run_id)
        if ensemble := ensemble_disagreement.ensemble_of(run_id):
            measure_uncertainty.delay(ensemble.pk)
        advance_rounds.delay()


@shared_task
def measure_uncertainty(version_id: int) -> None:
    """Let an ensemble of reward models say of which prompts it is unsure; on the training queue."""
    count = ensemble_disagreement.measure(ModelVersion.objects.get(pk=version_id))
    logger.info("Measured the uncertainty of %d prompts", count)


@shared_task
def advance_rounds() -> None:
    """Take every open round as far as it can go without waiting."""
    for round in reads.open_rounds():
        try:
            while advance(round):
                round.refresh_from_db()
        except Exception as error:  # whatever it is, the round says so and makes room for the next
            logger.exception("%s could not go on", round)
            fail_between_stages(round=round, reason=runner.explain(error))


@shared_task
def revive_runs() -> None:
    """Send again the messages of runs that nobody works on: lost ones, and dead workers' runs."""
    for run_id in take_up_abandoned():
        execute_run.delay(run_id)


@shared_task
def start_scheduled() -> None:
    """Queue the rounds of schedules that are due."""
    if start_due(timezone.now()):
        advance_rounds.delay()


@shared_task
def clear_disk() -> None:
    """Remove checkpoints and states that nothing needs any more."""
    cleared = disk_retention.clear_disk()
    if cleared != disk_retention.Cleared([], 0, 0):
        logger.info(
            "Removed the weights of %s, %d saved states and %d leftovers",
            ", ".join(cleared.versions) or "no version",
            cleared.states,
            cleared.leftovers,
        )


@shared_task
def write_export(export_id: int) -> None:
    """Write an export that somebody asked for. Delivered twice, it is written once."""
    if export_jobs.perform(export_id) and EXPORTS.waits(export_id):
        write_export.delay(export_id)


@shared_task
def tend_exports() -> None:
    """Send again the messages of exports that nobody writes, and destroy old files."""
    export_jobs.clean_old()
    for export_id in EXPORTS.lost():
        write_export.delay(export_id)


@shared_task
def measure(measurement_id: int) -> None:
    """Work out what was asked for; on the sampling queue. Delivered twice, it is done once."""
    if jobs.perform(measurement_id) and MEASUREMENTS.waits(measurement_id):
        measure.delay(measurement_id)


@shared_task
def tend_evaluations() -> None:
    """Close evaluations whose labels are all there, and send lost measurements again."""
    for measurement_id in jobs.tend():
        measure.delay(measurement_id)


def advance(round: TrainingRound) -> bool:
    """Take one step; whether there may be another one right after it."""
    match decide.decide(reads.round_state(round)):
        case decide.Begin():
            return begin(round=round)
        case decide.Freeze():
            freeze_labels(round=round)
            return True
        case decide.Start(stage):
            with transaction.atomic():
                run = open_run(round=round, stage=stage)
                if run:
                    run_id = run.pk
                    transaction.on_commit(lambda: execute_run.delay(run_id))
        case decide.Fail(stage):
            fail_round(round=round, stage=stage)
        case decide.Finish():
            finish_round(round=round)
    return False


@shared_task
def check_model(name: str) -> None:
    """Check a model that somebody wants to take up; on the sampling queue."""
    model_checks.perform(name)
