"""Whether the longest prompt and response that a run allows fit into what its models read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models_service.lm.context import context_of
from trainer.algorithms.contract import TrainingError

# Blocks of pretraining text, and the setting that is 0 where there are none.
_BLOCKS = {"pretraining_tokens": "pretraining_share", "ptx_tokens": "ptx_coefficient"}
_TITLES = {"reward": "reward model"}


def too_long(name: str, context: int | None, settings: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with a stage's settings for a model called `name`, by setting; None is a model
    that reads any length."""
    if context is None:
        return {}
    reads = f"{name} reads {context} tokens in all"
    prompt, response = settings["max_prompt_tokens"], settings["max_response_tokens"]
    errors = {
        block: f"{reads}; a block of {settings[block]} does not fit: lower {block} to {context}"
        for block, share in _BLOCKS.items()
        if settings.get(share) and settings[block] > context
    }
    # Blame falls on the setting whose change helps: with a response as long as the context no
    # prompt would fit at any limit.
    if response >= context:
        errors["max_response_tokens"] = (
            f"{reads}; a prompt and {response} do not fit: lower max_response_tokens"
        )
    elif prompt + response > context:
        errors["max_prompt_tokens"] = (
            f"{reads}; {prompt} + {response} do not fit: "
            f"lower max_prompt_tokens to {context - response}"
        )
    return errors


def require_room(settings: Mapping[str, Any], models: Mapping[str, str | Path]) -> None:
    """Raise TrainingError where one of the models, checkpoint folders by what they are to the run,
    cannot read what the settings allow."""
    for name, folder in models.items():
        title = f"The {_TITLES.get(name, name)}"
        for error in too_long(title, context_of(Path(folder)), settings).values():
            raise TrainingError(f"{error}, or choose a model that reads more.")
