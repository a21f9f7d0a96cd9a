"""What a look can tell of a recipe, before it is queued and before what a run imports. No torch."""

from __future__ import annotations

from pathlib import Path

from studio.adapters.formats import family_problems
from studio.bases.identity import BaseIdentity, identify_base
from studio.curation.scan import scan
from studio.curation.sources.kinds import recognised
from studio.errors import RecipeError
from studio.examples.frame_count import for_base
from studio.recipe import Recipe
from studio.registry import plugin


def require_found(recipe: Recipe) -> BaseIdentity:
    """Find the base model and the pictures, as far as that takes no more than a look.

    Raises:
        UserError: they are not there, or not of a kind that will do.
    """
    identity = identify_base(recipe.base_model, vae=recipe.base.vae)
    dataset = for_base(recipe.dataset, identity)
    if recognised(dataset.source, dataset.caption_column, dataset.clip) is None:
        scan(Path(dataset.source).expanduser())
    return identity


def require_runnable(recipe: Recipe) -> None:
    """`require_found`, and what else ends a run before it begins and can be told without its method.

    Raises:
        UserError: as there, or a format does not fit the base model or the method.
    """
    identity = require_found(recipe)
    kinds = recipe.trainer.adapter_kinds or plugin(recipe.trainer.kind).produces
    if problems := tuple(family_problems(kinds, recipe.export.formats, identity.family)):
        raise RecipeError(problems)
