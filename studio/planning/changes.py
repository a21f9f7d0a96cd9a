"""Changes of a recipe that take less memory, the cheapest for the result first. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from studio.errors import RecipeError
from studio.recipe import Recipe
from studio.recipe.loading import recipe_from_dict

_SHRINK = (0.75, 0.5)
_STEP_PX = 64
_LEAST_PX = 256


def candidates(recipe: Recipe, *, in_training: bool = True) -> Iterator[tuple[str, ...]]:
    """Each a few ``a.b=c``, as after ``--set``, that belong together.

    First what changes only how the same is computed, then what rounds, then what learns less.

    Args:
        in_training: also those that change nothing outside of training.
    """
    if in_training:
        yield from _same_result(recipe)
    if recipe.precision.base_dtype == "fp32":
        yield ("precision.base_dtype=bf16",)
        yield ("precision.base_dtype=nf4",)
    if in_training:
        yield from _less_to_train(recipe)
    yield from _smaller_pictures(recipe)


def changed(recipe: Recipe, changes: Sequence[str]) -> Recipe | None:
    """The recipe with changes; None where they do not go with the rest of it."""
    try:
        return recipe_from_dict(_content(recipe), changes)
    except RecipeError:
        return None


def _same_result(recipe: Recipe) -> Iterator[tuple[str, ...]]:
    optimizer, precision = recipe.optimizer, recipe.precision
    if not precision.gradient_checkpointing:
        yield ("precision.gradient_checkpointing=true",)
    yield from _smaller_batches(recipe)
    if optimizer.name in ("adamw", "lion"):
        yield (f"optimizer.name={optimizer.name}_8bit",)
    if precision.mixed_precision == "no":
        yield ("precision.mixed_precision=bf16",)


def _less_to_train(recipe: Recipe) -> Iterator[tuple[str, ...]]:
    if getattr(recipe.trainer, "train_text_encoder", False):
        yield ("trainer.train_text_encoder=false",)
    rank = getattr(recipe.trainer, "rank", None)
    if isinstance(rank, int) and rank > 4:
        yield (f"trainer.rank={rank // 2}",)


def _smaller_batches(recipe: Recipe) -> Iterator[tuple[str, ...]]:
    """Half the batch, twice as often: the same pictures in a step."""
    size = recipe.optimizer.train_batch_size
    times = recipe.optimizer.gradient_accumulation_steps
    while size % 2 == 0:
        size, times = size // 2, times * 2
        yield (
            f"optimizer.train_batch_size={size}",
            f"optimizer.gradient_accumulation_steps={times}",
        )


def _smaller_pictures(recipe: Recipe) -> Iterator[tuple[str, ...]]:
    given = recipe.dataset.resolution
    for share in _SHRINK if given else ():
        side = int((given or 0) * share) // _STEP_PX * _STEP_PX
        if side >= _LEAST_PX:
            yield (f"dataset.resolution={side}",)


def _content(recipe: Recipe) -> dict[str, Any]:
    """As a file would hold it: what was given alone, for defaults depend on one another."""
    return recipe.model_dump(mode="json", exclude_unset=True)
