"""Recipes under a name, to start rounds from again and again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from accounts.audit import Act, record
from accounts.models import User
from core.problems import refuse
from trainer.models import SavedRecipe
from trainer.rounds.start import checked_recipe


@transaction.atomic
def save_recipe(
    *,
    name: str,
    preset: str,
    recipe: Mapping[str, Any] | None = None,
    replace: bool = False,
    by: User | None = None,
) -> SavedRecipe:
    """Keep a preset with the recipe's changes, complete, under a name of its own.

    Raises Problem for settings that cannot be used, and where the name is taken unless `replace`.
    """
    name = name.strip()
    if not name:
        refuse("recipe_name", "Give the recipe a name.")
    # A reward model that a round is given stands in for the stage: which one is said at its start.
    values = checked_recipe(preset, recipe, given=["reward"]).to_dict()
    kept = {"preset": preset, "recipe": values, "saved_by": by}
    if replace:
        saved, _ = SavedRecipe.objects.update_or_create(name=name, defaults=kept)
    else:
        saved, is_new = SavedRecipe.objects.get_or_create(name=name, defaults=kept)
        if not is_new:
            sentence = f"There is a recipe {name} already. Take another name, or replace it."
            refuse("recipe_name", sentence, 409)
    record(act=Act.RECIPE_SAVED, by=by, target=saved, detail={"preset": preset})
    return saved


@transaction.atomic
def remove_recipe(*, recipe: SavedRecipe, by: User | None = None) -> None:
    """Forget a recipe and its schedules; rounds that were started from it stay."""
    record(act=Act.RECIPE_REMOVED, by=by, target=recipe)
    recipe.delete()
