"""Signs that PPO goes wrong, read from its metrics: pure, tested as a table.

An alarm compares the mean of the newest steps with a limit, or with the mean of the first steps. It
stops nothing: it says what it sees, what that mostly means, and what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

WINDOW = 5  # steps that a mean is taken over
FEWEST = 3  # steps without which nothing is said

KL_LIMIT = 20.0  # nats a response; past about this much a score says little (Gao et al. 2023)
KL_GROWTH, KL_NOTABLE = 3.0, 5.0
ENTROPY_LEFT = 0.3
LENGTH_LONGER, LENGTH_SHORTER, LENGTH_NOTABLE = 1.5, 0.5, 5.0
CLIPPED = 0.3

Steps = Sequence[tuple[int, Mapping[str, float | None]]]


@dataclass(frozen=True)
class Alarm:
    """One thing that goes wrong: which metric shows it, at which step, and what to do."""

    name: str
    title: str
    metric: str
    step: int
    text: str
    remedy: str


@dataclass(frozen=True)
class Course:
    """A metric at its beginning, before its newest steps, and now; each the mean of a window."""

    first: float
    before: float
    now: float
    steps: int


@dataclass(frozen=True)
class _Rule:
    name: str
    title: str
    metric: str
    remedy: str
    judge: Callable[[Course], str]


def alarms(steps: Steps) -> list[Alarm]:
    """What is wrong by the newest of these steps, oldest first; of a long run its ends suffice."""
    found = []
    for rule in _RULES:
        points = [(step, v) for step, values in steps if (v := values.get(rule.metric)) is not None]
        if len(points) >= FEWEST and (text := rule.judge(_course([v for _, v in points]))):
            found.append(
                Alarm(rule.name, rule.title, rule.metric, points[-1][0], text, rule.remedy)
            )
    return found


def _course(values: Sequence[float]) -> Course:
    before = values[-2 * WINDOW : -WINDOW] or values[:1]
    return Course(_mean(values[:WINDOW]), _mean(before), _mean(values[-WINDOW:]), len(values))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _kl(course: Course) -> str:
    if course.now > KL_LIMIT:
        return f"KL is {course.now:.1f} nats a response, above {KL_LIMIT:.0f}."
    if course.now > KL_NOTABLE and course.now > KL_GROWTH * course.before:
        return f"KL has grown from {course.before:.1f} to {course.now:.1f} nats in a few steps."
    return ""


def _entropy(course: Course) -> str:
    if course.steps <= WINDOW or course.now >= ENTROPY_LEFT * course.first:
        return ""
    return f"Entropy fell from {course.first:.2f} to {course.now:.2f} nats a token."


def _length(course: Course) -> str:
    drifts = course.now > LENGTH_LONGER * course.first or course.now < LENGTH_SHORTER * course.first
    if course.steps <= WINDOW or abs(course.now - course.first) < LENGTH_NOTABLE or not drifts:
        return ""
    return f"Responses went from {course.first:.0f} to {course.now:.0f} tokens."


def _clipped(course: Course) -> str:
    return f"{course.now:.0%} of the tokens are clipped." if course.now > CLIPPED else ""


def _explained(course: Course) -> str:
    if course.steps <= WINDOW or course.now >= 0:
        return ""
    return f"The value model explains {course.now:.2f} of the returns' variance, less than nothing."


_RULES = (
    _Rule("kl_runaway", "KL runs away", "objective/kl",
          "The policy leaves the SFT model faster than the reward can be trusted. Raise "
          "kl_coefficient or set adaptive_kl, lower learning_rate, and read the samples.", _kl),
    _Rule("entropy_collapse", "Entropy collapses", "objective/entropy",
          "The policy says nearly the same whatever it is asked. Lower learning_rate, raise "
          "kl_coefficient, and look for one sentence repeated in the samples.", _entropy),
    _Rule("length_drift", "Length drifts", "objective/response_length",
          "The reward model likes length, or silence, more than labelers do. Compare the "
          "length-controlled win rate, raise kl_coefficient or unfinished_penalty.", _length),
    _Rule("clip_fraction", "Many tokens are clipped", "ppo/policy/clipfrac",
          "Updates are larger than PPO's trust region. Lower learning_rate or inner_epochs, or "
          "take larger minibatches.", _clipped),
    _Rule("explained_variance", "The value model is of no use", "ppo/val/explained_variance",
          "Advantages are noisier than with no value model at all. Raise value_learning_rate, or "
          "whiten_rewards; in the first steps this is normal.", _explained),
)  # fmt: skip
