"""Win rate and score against KL, to see where a reward model is exploited (Gao et al. 2023)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from operator import attrgetter

from models_service.models import ModelVersion
from trainer.evaluation.summaries import point
from trainer.figures.data import Figure, Point, Series
from trainer.models import Evaluation, TrainingRun

MOST_RUNS = 5
MOST_POINTS = 200


def over_optimisation(baseline: ModelVersion) -> list[Figure]:
    """Of all versions compared with this one, and of the PPO runs that started from it."""
    x_title = f"KL from {baseline}, nats a response"
    made = [
        Figure(
            "win-rate-by-kl", f"Win rate against {baseline} by divergence", x_title, "Win rate, %",
            list(_judged(baseline, "win_rate")),
            "Where the reward model's line rises and people's or the hidden preference's falls, "
            "the reward model is being exploited. Bars are 95 % intervals.",
            percent=True, reference=0.5, bounds=(0, 1),
        ),
        Figure(
            "score-by-kl", "Reward model's score by divergence", x_title, "Mean score",
            [*_judged(baseline, "score"), *_yardstick(baseline)],
            "On prompts never trained on. The yardstick is what the best of n answers would score.",
        ),
        Figure(
            "reward-by-kl", "Reward against divergence in training", x_title, "Mean score",
            list(_trained(baseline)), "Each line is a PPO run, step by step.",
        ),
    ]  # fmt: skip
    return [figure for figure in made if not figure.empty]


def _judged(baseline: ModelVersion, name: str) -> Iterator[Series]:
    """A series a judge; of a version that was judged several times, the newest figure."""
    rows = list(Evaluation.objects.filter(baseline=baseline).order_by("pk"))
    divergence = {row.version_id: row.figures["kl"]["value"] for row in rows if "kl" in row.figures}
    by_judge: dict[str, dict[int, Point]] = defaultdict(dict)
    for row in rows:
        if name in row.figures and row.version_id in divergence:
            x = divergence[row.version_id]
            by_judge[row.get_judge_display()][row.version_id] = point(x, row.figures[name])
    for judge, points in sorted(by_judge.items()):
        yield Series(judge, sorted(points.values(), key=attrgetter("x")), "line")


def _yardstick(baseline: ModelVersion) -> Iterator[Series]:
    """What best of n reaches without any training, from the newest evaluation that has it."""
    rows = Evaluation.objects.filter(baseline=baseline, figures__has_key="best_of_n")
    newest = rows.order_by("-pk").first()
    if newest:
        points = [point(one["kl"], one["score"]) for one in newest.figures["best_of_n"]]
        yield Series("Best of n", points, "line")


def _trained(baseline: ModelVersion) -> Iterator[Series]:
    runs = TrainingRun.objects.filter(stage="ppo", config__start__policy=baseline.pk)
    for run in runs.select_related("round").order_by("-pk")[:MOST_RUNS]:
        steps = run.metrics.order_by("step").values_list("values", flat=True)
        points = [
            Point(values["objective/kl"], values["objective/scores"])
            for values in steps
            if values.get("objective/kl") is not None and values.get("objective/scores") is not None
        ]
        every = max(1, len(points) // MOST_POINTS)
        if points:
            yield Series(str(run.round), points[::every], "line")
