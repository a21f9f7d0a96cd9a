"""How often a recipe shows each picture: what its steps mean for the pictures it is about."""

from __future__ import annotations

from studio.forms.starting import POCKET
from studio.recipe import Recipe
from studio.training.budget import total_steps

_EXPERIENCE = "100 to 150 times is where people begin with Stable Diffusion"


def showings(recipe: Recipe, pictures: int) -> str:
    """A sentence or two; empty for a budget in minutes, whose steps nobody knows yet.

    Args:
        pictures: that are kept of the set; those held out of training are counted as well, so it is
            roughly so often.
    """
    optimizer = recipe.optimizer
    batch, times = optimizer.train_batch_size, optimizer.gradient_accumulation_steps
    steps = total_steps(recipe.budget, pictures, batch, times)
    if steps is None or not pictures:
        return ""
    count = round(steps * batch * times / pictures)
    often = f"about {count:,} times" if count > 1 else "about once" if count else "less than once"
    told = f"{steps:,} steps show each of the {pictures} pictures {often}. {_EXPERIENCE}"
    fewer = recipe.base_model == POCKET
    return f"{told}; the small model that ships learns from fewer." if fewer else f"{told}."
