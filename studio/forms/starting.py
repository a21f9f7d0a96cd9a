"""Recipes to begin with: those that ship with the studio, and one for any method on any base model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from math import inf
from pathlib import Path
from textwrap import wrap
from typing import Any

from studio import registry
from studio.bases.families import FAMILIES
from studio.bases.identity import identify_published
from studio.errors import RecipeError
from studio.forms.sheet import header, joined
from studio.queue.places import MARK
from studio.recipe import load_recipe, starter_recipe, yaml_text
from studio.recipe.starter import USUAL_METHOD
from studio.run_folder import RunFolder
from studio.workplace.sample_sets import shipped

RECIPES = Path("recipes")
POCKET = "pocket"
POCKET_TITLE = "pocket (ships with the studio)"
STAND_IN = "my-word"
"""A trigger for as long as a starter is made by a method that cannot be without."""

SAMPLED_STAGES = 5
LEAST_SAMPLE_EVERY = 10
USUAL_SAMPLE_EVERY = 200
DRAWS_IN_GB = {"sd1": 6, "sd2": 6, "sdxl": 12}
"""By family of the base: the smallest usual GPU in which pictures are drawn beside training, as the plans
of the ready recipes say. Of other families there are no plans."""

COMMENT_WIDTH = 100
_INDENT = f"#{' ' * 10}"
_ENTRY = re.compile(r"# (\w+):\s+(.*)")
_MEMORY = re.compile(r"_(\d+)gb$")


@dataclass(frozen=True)
class StartingPoint:
    """A recipe that somebody has thought about.

    Attributes:
        name: its file's, without the ending.
        base: what people call the base model.
        memory_gb: of the GPU that it is made for; None: none is needed.
        what, needs: of its opening comment.
        about: the opening comment without what is of its own file and run.
    """

    name: str
    method: str
    base_model: str
    base: str
    memory_gb: int | None
    what: str
    needs: str
    about: Mapping[str, str]
    content: Mapping[str, Any]

    @property
    def is_usual(self) -> bool:
        """Whether it is of the method that most people begin with."""
        return self.method == USUAL_METHOD

    @property
    def draws_in_training(self) -> bool:
        """Whether the GPU that it is made for has room for that."""
        published = identify_published(self.base_model)
        if self.memory_gb is None or published is None:
            return self.memory_gb is None
        return self.memory_gb >= DRAWS_IN_GB.get(published.family, inf)

    def text(self, name: str, dataset: Mapping[str, Any], base_model: str = "") -> str:
        """A recipe of that name on a set of pictures.

        Args:
            dataset: what is different from the ready recipe's ``dataset`` section; empty: nothing.
            base_model: where the user has the model; empty: as the recipe says.
        """
        own = self.content["dataset"]
        content = dict(self.content) | {"name": name, "dataset": joined(own, dataset)}
        if base_model:
            content["base_model"] = base_model
        is_own = content["dataset"]["source"] == own["source"]
        about = {word: entry for word, entry in self.about.items() if word != "What" or is_own}
        if self.draws_in_training:
            content = _with_samples(content)
        return _written(about) + yaml_text.dump(content)


@lru_cache(maxsize=1)
def starting_points() -> tuple[StartingPoint, ...]:
    """Every ready recipe, those for the least memory first, of them the usual method's; none where the
    repository is not here.
    """
    folder = shipped(RECIPES)
    found = map(_starting_point, sorted(folder.glob("*.yaml"))) if folder else ()
    return tuple(sorted(found, key=_rank))


def _rank(point: StartingPoint) -> tuple[int, bool, str]:
    return point.memory_gb or 0, not point.is_usual, point.name


def starter_text(name: str, method: str, base_model: str, dataset: Mapping[str, Any]) -> str:
    """A recipe by a method's own advice, for what no ready one is there.

    What the method cannot do without and nobody has named yet is left open, to be told in the form.

    Raises:
        RecipeError: it would not be a recipe for other reasons.
    """
    source, trigger = dataset["source"], dataset.get("trigger", "")
    try:
        recipe = starter_recipe(
            source, trigger=trigger, method=method, base_model=base_model, name=name
        )
    except RecipeError:
        if trigger:
            raise
        recipe = starter_recipe(
            source, trigger=STAND_IN, method=method, base_model=base_model, name=name
        )
    content = yaml_text.parse(recipe.text, name)
    content["dataset"] = {"source": source, "trigger": trigger} | joined({}, dataset)
    return _comment(recipe.text) + yaml_text.dump(_with_samples(content))


def _with_samples(content: dict[str, Any]) -> dict[str, Any]:
    """With pictures while it trains, for whoever watches; as it is where the recipe says when."""
    often = {"every_steps": _sample_every(content.get("budget", {}).get("steps"))}
    return content | {"sampling": often | content.get("sampling", {})}


def _sample_every(steps: int | None) -> int:
    """About a fifth of the steps, as a number that people would choose."""
    if steps is None:  # nobody knows before the pictures are counted
        return USUAL_SAMPLE_EVERY
    fifth = steps // SAMPLED_STAGES
    twice = round(2 * fifth, 1 - len(str(fifth)))  # so halves are left: 60, 65, 100, 150
    return max(LEAST_SAMPLE_EVERY, twice // 2)


def text_of_run(folder: RunFolder, name: str) -> str:
    """The recipe of a run under another name, with only what differs from the defaults.

    Its folders are named as the run found them: the recipe file that they were relative to is elsewhere.

    Raises:
        RecipeError: it was changed by hand and is no recipe any more.
    """
    recipe = folder.intended_recipe()
    content: dict[str, Any] = {
        "version": recipe.version,
        "name": name,
        "base_model": recipe.base_model,
    }
    content |= recipe.model_dump(mode="json", exclude_defaults=True) | {"name": name}
    content["trainer"] = {"kind": recipe.trainer.kind, **content.get("trainer", {})}
    written = folder.recipe_path.read_text("utf-8").splitlines(keepends=True)
    comment = _comment("".join(line for line in written if not line.startswith(MARK)))
    return comment + yaml_text.dump(content)


def base_title(base_model: str) -> str:
    """What people call a base model; its own name where it is none of the well-known."""
    if base_model == POCKET:
        return POCKET_TITLE
    published = identify_published(base_model)
    return FAMILIES[published.family].title if published else base_model


def _starting_point(path: Path) -> StartingPoint:
    text = path.read_text("utf-8")
    recipe, entries = load_recipe(path), _entries(text)
    content = yaml_text.parse(text, path.name)
    content["dataset"]["source"] = (
        recipe.dataset.source
    )  # absolute: it is no longer beside the recipe
    memory = _MEMORY.search(path.stem)
    return StartingPoint(
        name=path.stem,
        method=recipe.trainer.kind,
        base_model=recipe.base_model,
        base=base_title(recipe.base_model),
        memory_gb=int(memory[1]) if memory else None,
        what=entries.get("What", ""),
        needs=entries.get("Needs", ""),
        about=entries,
        content=content,
    )


def _entries(text: str) -> dict[str, str]:
    """The opening comment: ``# What:  …`` and the like, lines of one entry joined."""
    entries: dict[str, str] = {}
    word = ""
    for line in takewhile(lambda line: line.startswith("#"), text.splitlines()):
        found = _ENTRY.match(line)
        word = found[1] if found else word
        more = found[2] if found else line.removeprefix("#").strip()
        entries[word] = f"{entries.get(word, '')} {more}".strip()
    for word in ("Command", "Expect"):  # of its own file and run
        entries.pop(word, None)
    if "What" in entries:  # the first sentence; the next are about pictures that are others here
        entries["What"] = entries["What"].partition(". ")[0].removesuffix(".") + "."
    return entries


def _comment(text: str) -> str:
    entries = _entries(text)
    if "" in entries:  # none of ours: as it was written
        return header(text)
    return _written(entries)


def _written(entries: Mapping[str, str]) -> str:
    lines = (
        wrap(entry, COMMENT_WIDTH, initial_indent=f"# {word + ':':<9}", subsequent_indent=_INDENT)
        for word, entry in entries.items()
    )
    return "".join(f"{line}\n" for entry in lines for line in entry)


def methods() -> Mapping[str, str]:
    """What is installed, with a sentence on each."""
    return {kind: plugin.summary for kind, plugin in registry.plugins().items()}
