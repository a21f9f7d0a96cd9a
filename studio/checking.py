"""What a look can tell of a recipe, before it is queued and before what a run imports. No torch."""

from __future__ import annotations

from pathlib import Path

from studio.adapters.formats import family_problems
from studio.bases.identity import identify_base
from studio.curation.scan import scan
from studio.curation.sources.kinds import recognised
from studio.errors import RecipeError
from studio.examples.frame_count import for_base
from studio.recipe import Recipe
from studio.registry import plugin


def require_runnable(recipe: Recipe) -> None:
    """Find now what would end the run before it began, as far as that takes no more than a look.

    Raises:
        UserError: the base model or the pictures are not there or not of a kind that will do, or a
            format does not fit them.
    """
    identity = identify_base(recipe.base_model, vae=recipe.base.vae)
    dataset = for_base(recipe.dataset, identity)
    if recognised(dataset.source, dataset.caption_column, dataset.clip) is None:
        scan(Path(dataset.source).expanduser())
    kinds = recipe.trainer.adapter_kinds or plugin(recipe.trainer.kind).produces
    if problems := tuple(family_problems(kinds, recipe.export.formats, identity.family)):
        raise RecipeError(problems)
