"""Every read that is longer than a line; what other apps read of labels stands here."""

from labeling.selectors.training import (
    few_shot_examples,
    prompts,
    training_demonstrations,
    training_rankings,
)

__all__ = ["few_shot_examples", "prompts", "training_demonstrations", "training_rankings"]
