"""Every read that is longer than a line; what other apps read of labels stands here."""

from labeling.label_filters import FILTERS, moment
from labeling.selectors.tally import Tally, count_comparisons, rankings_by_size, tally
from labeling.selectors.training import (
    few_shot_examples,
    prompts,
    training_demonstrations,
    training_rankings,
)

__all__ = [
    "FILTERS",
    "Tally",
    "count_comparisons",
    "few_shot_examples",
    "moment",
    "prompts",
    "rankings_by_size",
    "tally",
    "training_demonstrations",
    "training_rankings",
]
