"""A recipe for a folder of pictures, where the user has written none: defaults that work."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from studio import registry
from studio.recipe import yaml_text
from studio.recipe.loading import recipe_from_dict
from studio.recipe.overrides import apply_overrides
from studio.recipe.schema import Recipe

LEARNING_RATES = {"pocket": 1e-3}
LEARNING_RATE = 1e-4
STEPS_PER_IMAGE = 100

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
    method: str = "lora",
    base_model: str = "pocket",
    name: str | None = None,
    overrides: Sequence[str] = (),
    file: str = "recipe.yaml",
) -> Recipe:
    """A recipe with the few settings that one would think about; its ``text`` is commented.

    Args:
        source: folder with the pictures.
        name: the run's; made from the folder's name where none is given.
        overrides: ``a.b=c``, as after ``--set``.
        file: where the text will be saved, for the command in its header.

    Raises:
        RecipeError: with every problem, one sentence each.
    """
    folder = Path(source).expanduser().absolute()
    content: dict[str, Any] = {
        "version": 1,
        "name": name if name is not None else run_name(folder.name),
        "base_model": base_model,
        "seed": 0,
        "dataset": {"source": str(folder), "trigger": trigger},
        "trainer": {"kind": method},
        "budget": {"steps_per_image": STEPS_PER_IMAGE},
        "optimizer": {"learning_rate": None, "train_batch_size": 4},
    }
    content = apply_overrides(content, overrides)
    base_model = content["base_model"]
    if content["optimizer"]["learning_rate"] is None:
        content["optimizer"]["learning_rate"] = LEARNING_RATES.get(base_model, LEARNING_RATE)
    recipe = recipe_from_dict(content)
    header = HEADER.format(
        summary=registry.plugin(recipe.trainer.kind).summary,
        base=base_model,
        source=folder,
        name=recipe.name,
        needs="no GPU"
        if base_model == "pocket"
        else "a GPU for a run of minutes rather than hours",
        file=file,
    )
    return recipe.with_text(header + yaml_text.dump(content))


def run_name(title: str) -> str:
    """A run name from any title: what cannot stand in a folder's name becomes a dash."""
    words = re.sub(r"[^\w.-]+", "-", title.strip()).strip("-._")
    return words.lower()[:80].rstrip("-._") or "run"
