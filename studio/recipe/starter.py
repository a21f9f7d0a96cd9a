"""A recipe for a folder of pictures, where the user has written none: defaults that work."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from studio import registry
from studio.curation.sources import given
from studio.recipe import yaml_text
from studio.recipe.loading import recipe_from_dict
from studio.recipe.overrides import apply_overrides
from studio.recipe.schema import Recipe
from studio.training.optimizer_settings import OPTIMIZER_DEFAULTS

STEPS_PER_IMAGE = 100
USUAL_METHOD = "lora"
"""Where most people begin."""

HEADER = """\
# What:    {summary}
#          Base model: {base}. Pictures: {source}
# Needs:   the pictures above; {needs}.
# Command: studio train {file}    (change a value: --set budget.steps=500)
# Expect:  runs/{name}/adapter/ with the adapter file, runs/{name}/samples/ with pictures it makes.
"""


def starter_recipe(
    source: Path | str,
    *,
    trigger: str = "",
    method: str = USUAL_METHOD,
    base_model: str = "pocket",
    name: str | None = None,
    overrides: Sequence[str] = (),
    file: str = "recipe.yaml",
) -> Recipe:
    """A recipe with the few settings that one would think about; its ``text`` is commented.

    Args:
        source: the pictures; see ``dataset.source``.
        name: the run's; made from the source's name where none is given.
        overrides: ``a.b=c``, as after ``--set``.
        file: where the text will be saved, for the command in its header.

    Raises:
        RecipeError: with every problem, one sentence each.
    """
    place = given.absolute(str(source))
    content: dict[str, Any] = {
        "version": 1,
        "name": name if name is not None else run_name(given.title(place)),
        "base_model": base_model,
        "seed": 0,
        "dataset": {"source": place, "trigger": trigger},
        "trainer": {"kind": method},
    }
    content = apply_overrides(content, overrides)
    base_model = content["base_model"]
    beginning = {
        "budget": {"steps_per_image": STEPS_PER_IMAGE},
        "optimizer": {"train_batch_size": 4},
    }
    content = _filled(content, _defaults_of_the_optimizer(content))
    content = _filled(_filled(content, _starting_point(content)), beginning)
    recipe = recipe_from_dict(content)
    header = HEADER.format(
        summary=registry.plugin(recipe.trainer.kind).summary,
        base=base_model,
        source=place,
        name=recipe.name,
        needs="no GPU"
        if base_model == "pocket"
        else "a GPU for a run of minutes rather than hours",
        file=file,
    )
    return recipe.with_text(header + yaml_text.dump(content))


def with_method(recipe: Recipe, method: str, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe's set, budget and batch size with another method, as one would begin with it; a recipe
    of that method already keeps its own settings.

    Raises:
        RecipeError: with every problem, one sentence each.
    """
    content = recipe.model_dump(mode="json")
    if recipe.trainer.kind != method:
        for section in ("trainer", "optimizer", "loss", "export"):
            content.pop(section)
        content["trainer"] = {"kind": method}
        content["optimizer"] = {"train_batch_size": recipe.optimizer.train_batch_size}
        content = _filled(content, _starting_point(content))
    content["name"] = run_name(f"{recipe.name}-{method}")
    return recipe_from_dict(content, overrides)


def _defaults_of_the_optimizer(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """What an algorithm that was asked for needs; the method's plugin does not know of it."""
    optimizer = content.get("optimizer")
    name = optimizer.get("name") if isinstance(optimizer, dict) else None
    return {"optimizer": OPTIMIZER_DEFAULTS.get(str(name), {})}


def _starting_point(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the method's plugin advises; nothing for a method that is not installed, which is told later."""
    trainer = content["trainer"]
    kind = trainer.get("kind") if isinstance(trainer, dict) else None
    known = registry.plugins().get(str(kind))
    return known.starting_point(content["base_model"]) if known else {}


def _filled(content: Mapping[str, Any], beginning: Mapping[str, Any]) -> dict[str, Any]:
    """The content, and what it leaves open in a beginning's sections. A budget is one choice as a whole."""
    filled = dict(content)
    for section, values in beginning.items():
        own = content.get(section)
        whole = section == "budget" and own is not None
        if own is None:
            filled[section] = dict(values)
        elif not whole and isinstance(own, dict):
            filled[section] = {**values, **own}
    return filled


def run_name(title: str) -> str:
    """A run name from any title: what cannot stand in a folder's name becomes a dash."""
    words = re.sub(r"[^\w.-]+", "-", title.strip()).strip("-._")
    return words.lower()[:80].rstrip("-._") or "run"
