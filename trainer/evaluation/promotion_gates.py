"""What must hold before a version becomes the policy: each gate with its figures, met or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from django.conf import settings

from labeling.expiry import retiring_tasks, untouched_tasks
from models_service.models import ModelVersion, Promotion
from models_service.selectors import promoted
from trainer.evaluation.summaries import GOOD_FLAGS, flag_titles
from trainer.models import Evaluation

Judge = Evaluation.Judge
PEOPLE = (Judge.LABELERS, Judge.HELD_OUT)
"""Whose verdict counts, training labelers' before that of the held-out ones."""


@dataclass(frozen=True)
class Gate:
    """One condition, whether it is met, and the sentence that says on what that rests."""

    name: str
    title: str
    met: bool
    text: str
    figure: Mapping[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """As the API and a promotion's record have it."""
        return asdict(self)


def gates_of(version: ModelVersion) -> list[Gate]:
    """The gates of the policy's role: preferred, near the model it learned from, no worse flags,
    and nothing erased that it learned from."""
    rows = list(version.evaluations.select_related("version", "baseline", "round").order_by("-id"))
    return [_win_rate(rows), _divergence(rows), _flags(rows), _erasure(version)]


def applies(role: str, version: ModelVersion) -> bool:
    """Whether gates stand before this promotion: of a policy that follows another, for the first
    time. Going back to one that was promoted needs no evidence."""
    if role != Promotion.Role.POLICY or promoted(role) in (None, version):
        return False
    return not Promotion.objects.filter(role=role, version=version).exists()


def unmet(role: str, version: ModelVersion) -> list[Gate]:
    """The gates that a promotion would override."""
    return [gate for gate in gates_of(version) if not gate.met] if applies(role, version) else []


def waiting_tasks(version: ModelVersion) -> dict[str, Any]:
    """What a promotion to policy would do to the tasks that wait with the present one's answers."""
    before = promoted(Promotion.Role.POLICY)
    if before is None or before == version:
        return {
            "policy": before and before.name,
            "rule": settings.RETIRED_TASKS,
            "waiting": 0,
            "expire": 0,
        }
    return {
        "policy": before.name,
        "rule": settings.RETIRED_TASKS,
        "waiting": untouched_tasks(before).count(),
        "expire": retiring_tasks(before).count(),
    }


def _win_rate(rows: list[Evaluation]) -> Gate:
    title = "Preferred: the 95 % interval of its win rate lies above 50 %"
    row = _newest(rows, "win_rate", (*PEOPLE, Judge.REWARD))
    if row is None:
        return Gate("win_rate", title, False, "It was not compared with another version yet.")
    rate = row.figures["win_rate"]
    text = (
        f"{_percent(rate['value'])} against {row.baseline}, 95 % interval "
        f"{_percent(rate['low'])} to {_percent(rate['high'])}, {rate['n']} comparisons, judged by: "
        f"{row.get_judge_display().lower()}."
    )
    if row.judge == Judge.REWARD:
        text += " A reward model flatters the policy that was trained against it."
    return Gate("win_rate", title, rate["low"] > 0.5, text, rate)


def _divergence(rows: list[Evaluation]) -> Gate:
    limit = settings.PROMOTION_KL_LIMIT
    title = f"Near what it learned from: KL below {limit:g} nats a response"
    measured = [row for row in rows if "kl" in row.figures]
    # From its parent before others, and on the tokens themselves before texts.
    measured.sort(key=lambda row: (row.baseline_id != row.version.parent_id, not row.round_id))
    row = next(iter(measured), None)
    if row is None:
        return Gate("kl", title, False, "Its divergence was not measured yet.")
    kl = row.figures["kl"]
    text = (
        f"{kl['value']:.3g} nats from {row.baseline}, 95 % interval {kl['low']:.3g} to "
        f"{kl['high']:.3g}."
    )
    return Gate("kl", title, kl["high"] < limit, text, kl)


def _flags(rows: list[Evaluation]) -> Gate:
    title = "No worse: no flag became more frequent"
    told = [f"flag_{name}_rise" for name in flag_titles()]
    row = next(filter(None, (_newest(rows, name, PEOPLE) for name in told)), None)
    if row is None:
        return Gate("flags", title, False, "No labeler has compared its answers yet.")
    rising = {
        label: rise
        for name, label in flag_titles().items()
        if name not in GOOD_FLAGS
        and (rise := row.figures.get(f"flag_{name}_rise"))
        and rise["low"] > 0
    }
    against = f"against {row.baseline}, judged by: {row.get_judge_display().lower()}"
    if not rising:
        return Gate("flags", title, True, f"No flag's rise is above chance, {against}.")
    worse = "; ".join(
        f"{label} +{100 * rise['value']:.1f} points ({100 * rise['low']:.1f} to "
        f"{100 * rise['high']:.1f})"
        for label, rise in rising.items()
    )
    return Gate("flags", title, False, f"{worse}, {against}.", next(iter(rising.values())))


def _erasure(version: ModelVersion) -> Gate:
    """What somebody wanted forgotten lives on in its weights: only training anew takes it out."""
    title = "Whole: nothing it learned from was erased"
    erased = version.learned_from_erased_at
    if erased is None:
        return Gate("erasure", title, True, "All it learned from is still there.")
    text = f"Some of what it learned from was erased on {erased:%Y-%m-%d}. Train again without it."
    return Gate("erasure", title, False, text)


def _newest(rows: list[Evaluation], figure: str, judges: tuple[str, ...]) -> Evaluation | None:
    """The newest with this figure by the first of these judges that has any."""
    by_judge = (
        next((row for row in rows if row.judge == judge and figure in row.figures), None)
        for judge in judges
    )
    return next(filter(None, by_judge), None)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
