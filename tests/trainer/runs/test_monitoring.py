"""Following a round: curves as files, samples at any step, its log, alarms, its place in line."""

from __future__ import annotations

import csv
import io
import logging
import zipfile
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from django.test import Client

from accounts.models import User
from models_service.models import ModelVersion
from trainer.api import rounds
from trainer.models import LogLine, Metric, Sample, TrainingRound, TrainingRun
from trainer.runs import log, machine_memory, monitoring

pytestmark = pytest.mark.django_db
ClientOf = Callable[[User], Client]
RECIPE = {"stages": ["sft", "ppo"], "sft": {}, "ppo": {}, "promote": "never"}


@pytest.fixture
def round() -> TrainingRound:
    return make_round("running")


@pytest.fixture
def ppo(round: TrainingRound) -> TrainingRun:
    return TrainingRun.objects.create(round=round, stage="ppo", state="running", seed=1)


def make_round(state: str) -> TrainingRound:
    start, _ = ModelVersion.objects.get_or_create(name="base", kind="base", checkpoint="none")
    return TrainingRound.objects.create(preset="tiny", recipe=RECIPE, start=start, state=state)


def metrics(run: TrainingRun, name: str, *values: float | None) -> None:
    for step, value in enumerate(values, start=1):
        Metric.objects.create(run=run, step=step, values={name: value})


@pytest.fixture
def get(rosa: User, client_of: ClientOf, round: TrainingRound) -> Callable[..., object]:
    client = client_of(rosa)
    return lambda path, **query: client.get(f"/api/v1/rounds/{round.pk}/{path}", query)


def test_curves_leave_as_csv(get: Callable[..., object], ppo: TrainingRun) -> None:
    sft = TrainingRun.objects.create(round=ppo.round, stage="sft", state="finished", seed=1)
    metrics(sft, "sft/loss", 3.5)
    metrics(ppo, "objective/kl", 0.25, None)
    answer = get("curves.csv")
    assert (
        answer["Content-Disposition"] == f'attachment; filename="round-{ppo.round_id}-curves.csv"'
    )
    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))
    told = [(row["stage"], row["step"], row["objective/kl"], row["sft/loss"]) for row in rows]
    assert told == [("ppo", "1", "0.25", ""), ("ppo", "2", "", ""), ("sft", "1", "", "3.5")]


def test_a_long_curve_is_thinned_and_its_file_is_not(
    get: Callable[..., object], ppo: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics(ppo, "objective/kl", *(float(step) for step in range(1, 11)))
    Metric.objects.filter(step=5).update(values={"objective/kl": 5.0, "eval/loss": 1.0})
    told = get("metrics/").json()
    assert (len(told["stages"]["ppo"]["objective/kl"]), told["thinned"]) == (10, False)
    monkeypatch.setattr(monitoring, "MOST_POINTS", 4)
    told = get("metrics/").json()
    steps = [step for step, _ in told["stages"]["ppo"]["objective/kl"]]
    assert (steps, told["thinned"]) == ([1, 4, 7, 10], True)
    assert told["stages"]["ppo"]["eval/loss"] == [[5, 1.0]], "one with few points stays whole"
    assert len(get("curves.csv").getvalue().decode().splitlines()) == 11


def test_curves_leave_as_event_files(get: Callable[..., object], ppo: TrainingRun) -> None:
    metrics(ppo, "objective/kl", 0.25, 0.5)
    with zipfile.ZipFile(io.BytesIO(get("tensorboard.zip").content)) as archive:
        (name,) = archive.namelist()
        assert name.startswith(f"round-{ppo.round_id}/ppo/events.out.tfevents.")
        assert b"objective/kl" in archive.read(name)


def test_a_round_without_steps_leaves_empty_files(get: Callable[..., object]) -> None:
    assert get("curves.csv").getvalue() == b"stage,step,at\r\n"
    assert zipfile.ZipFile(io.BytesIO(get("tensorboard.zip").content)).namelist() == []


def test_rounds_come_a_part_at_a_time(
    rosa: User, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [make_round("finished").pk for _ in range(3)]
    monkeypatch.setattr(rounds, "MOST_ROUNDS", 2)
    client, url = client_of(rosa), "/api/v1/rounds/"
    assert [one["id"] for one in client.get(url).json()] == [ids[2], ids[1]]
    assert [one["id"] for one in client.get(url, {"before": ids[1]}).json()] == [ids[0]]
    assert client.get(url, {"before": "now"}).status_code == 400


def test_samples_of_any_step(get: Callable[..., object], ppo: TrainingRun) -> None:
    for step in (0, 4):
        Sample.objects.create(run=ppo, step=step, position=0, prompt="Why?", text=f"At {step}.")
    assert monitoring.sample_steps(ppo.round) == {"ppo": [0, 4]}
    rows = get("samples/", stage="ppo", step=4).json()["rows"]
    assert rows == [{"prompt": "Why?", "text": "At 4.", "score": None}]
    assert get("samples/", stage="ppo", step="last").status_code == 400


def test_the_log_comes_whole_and_then_only_what_is_new(
    get: Callable[..., object], ppo: TrainingRun
) -> None:
    for text in ("one", "two\0"):
        log.say(ppo, text)
    lines = get("log/").json()
    assert [line["text"] for line in lines] == ["one", "two\N{REPLACEMENT CHARACTER}"]
    assert get("log/", after=lines[0]["id"]).json() == lines[1:]


def test_warnings_come_into_the_log_and_old_lines_go(
    ppo: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "KEPT", 2)
    with log.logged(ppo):
        logging.getLogger("torch").warning("Something is %s.", "slow")
        logging.getLogger("torch").info("Not told.")
        for number in range(2):
            log.say(ppo, f"line {number}")
    logging.getLogger("torch").warning("After the run.")
    assert list(LogLine.objects.values_list("text", flat=True)) == ["line 0", "line 1"]


def test_alarms_are_told_by_the_round_and_by_the_list(
    get: Callable[..., object], ppo: TrainingRun, rosa: User, client_of: ClientOf
) -> None:
    metrics(ppo, "objective/kl", *[1.0] * 20, *[30.0] * 5)
    (alarm,) = get("").json()["alarms"]
    assert (alarm["name"], alarm["metric"], alarm["step"]) == ("kl_runaway", "objective/kl", 25)
    quiet = make_round("finished")
    listed = client_of(rosa).get("/api/v1/rounds/").json()
    rung = {one["id"]: [alarm["name"] for alarm in one["alarms"]] for one in listed}
    assert rung == {ppo.round_id: ["kl_runaway"], quiet.pk: []}


def test_a_queued_round_knows_its_place(
    round: TrainingRound, rosa: User, client_of: ClientOf
) -> None:
    waiting = [make_round("queued") for _ in range(2)]
    listed = client_of(rosa).get("/api/v1/rounds/").json()
    places = {one["id"]: one["ahead"] for one in listed}
    assert places == {round.pk: None, waiting[0].pk: 1, waiting[1].pk: 2}


def test_memory_is_told_in_mebibytes() -> None:
    machine_memory.forget_peak()
    told = machine_memory.metrics()
    assert 10 < told["memory/process"] <= told["memory/peak"] * 1.01
    assert told["memory/peak"] < machine_memory.machine() / machine_memory.MIB


def test_a_run_on_a_gpu_may_have_the_gpus_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    card = SimpleNamespace(total_memory=80 * 2**30)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: card)
    assert machine_memory.machine() == 80 * 2**30
