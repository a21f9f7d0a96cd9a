"""Reading a recipe: file, overrides, migration, and all problems at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from studio.curation.sources.given import first_file
from studio.errors import RecipeError
from studio.recipe import yaml_text
from studio.recipe.migrations import migrate
from studio.recipe.overrides import apply_overrides
from studio.recipe.problems import sentences
from studio.recipe.schema import Recipe
from studio.settings import Section

FOLDERS = ("source", "caption_folder", "mask_folder")
"""Of the dataset; relative ones are looked for beside the recipe."""

SectionT = TypeVar("SectionT", bound=Section)


def load_recipe(path: Path | str, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe or a lock file; ``overrides`` are ``a.b=c``, as after ``--set``.

    A relative folder of the dataset (``source``, ``caption_folder``, ``mask_folder``) is looked for
    beside the recipe file first, then in the current folder.

    Raises:
        RecipeError: with every problem, one sentence each.
    """
    path = Path(path)
    text = _read(path)
    content = yaml_text.parse(text, str(path))
    if content is None:
        raise RecipeError([f"{path}: is empty; `studio recipe new` writes one to start from"])
    if not isinstance(content, dict):
        raise RecipeError([f'{path}: is no recipe; a recipe is lines of "key: value"'])
    content = _with_folders_below(path.parent, content)
    return recipe_from_dict(content, overrides).with_text(_changed(text, path, overrides))


def recipe_from_dict(content: Mapping[str, Any], overrides: Sequence[str] = ()) -> Recipe:
    """A recipe from what a recipe file would hold. The current folder is where a relative
    ``dataset.source`` is looked for.

    Raises:
        RecipeError: with every problem, one sentence each.
    """
    current = migrate(deepcopy(dict(content)))
    current = apply_overrides(current, overrides)
    current = _with_folders_below(Path.cwd(), current)
    return validated(Recipe, current)


def validated(schema: type[SectionT], content: Mapping[str, Any]) -> SectionT:
    """A recipe, or one of its sections alone, from raw content.

    Raises:
        RecipeError: with every problem, one sentence each.
    """
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        raise RecipeError(sentences(error, content, schema)) from error


def _read(path: Path) -> str:
    if path.is_dir():
        raise RecipeError([f"{path}: is a folder, not a recipe file"])
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise RecipeError([f"{path}: there is no such recipe{_similar(path)}"]) from error
    except UnicodeDecodeError as error:
        raise RecipeError(
            [f"{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8"]
        ) from error
    except OSError as error:
        raise RecipeError([f"{path}: cannot be read: {error.strerror}"]) from error


def _similar(path: Path) -> str:
    if not path.parent.is_dir():
        return ""
    names = [p.name for p in path.parent.iterdir() if p.suffix in (".yaml", ".yml")]
    close = get_close_matches(path.name, names, n=1)
    return f'; did you mean "{path.parent / close[0]}"?' if close else ""


def _changed(text: str, path: Path, overrides: Sequence[str]) -> str:
    """The text as given, byte for byte; overrides are noted above it, for they are not in it."""
    if not overrides:
        return text
    notes = "".join(f"#   --set {' '.join(o.split())}\n" for o in overrides)
    return f"# {path.name} with these changes (recipe.lock.yaml has them in place):\n{notes}{text}"


def _with_folders_below(folder: Path, content: dict[str, Any]) -> dict[str, Any]:
    """The dataset's folders as absolute paths where they are such that exist from ``folder``."""
    dataset = content.get("dataset")
    if not isinstance(dataset, dict):
        return content
    found = {}
    for key in FOLDERS:
        path = dataset.get(key)
        if isinstance(path, str) and path.strip() and _exists(folder, path):
            found[key] = str((folder / Path(path).expanduser()).resolve())
    return {**content, "dataset": {**dataset, **found}}


def _exists(folder: Path, given: str) -> bool:
    try:
        return (folder / Path(first_file(given)).expanduser()).exists()
    except (OSError, ValueError):  # a name too long for a path, or with a null character
        return False
