"""What a recipe would read: nothing outside the folders that this dashboard may read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from studio.curation.sources.given import shards
from studio.errors import DatasetError, RootsError
from studio.place import Place, place_of
from studio.recipe import Recipe
from studio.recipe.fields import dotted
from studio.workplace.roots import Roots
from studio.workplace.sample_sets import SETS, shipped


def require_allowed(recipe: Recipe, roots: Roots) -> None:
    """Refuse a recipe that names a file or folder elsewhere.

    Raises:
        RootsError: every such setting, a line each.
    """
    if problems := refused(recipe, roots):
        raise RootsError("\n".join(problems))


def refused(recipe: Recipe, roots: Roots) -> list[str]:
    """Each setting that names a place outside the folders, as a recipe's problems are told."""
    samples = shipped(SETS)
    allowed = Roots((*roots.folders, *([samples.resolve()] if samples else [])))
    return [
        f"{path}: {problem}"
        for path, text in places(recipe)
        if (problem := _problem(text, allowed, roots))
    ]


def places(recipe: BaseModel) -> Iterator[tuple[str, str]]:
    """Every file and folder that a recipe or a section of one names, by the setting's path."""
    yield from _places(recipe, ())


def _places(section: BaseModel, above: tuple[str | int, ...]) -> Iterator[tuple[str, str]]:
    for name, field in type(section).model_fields.items():
        if not field.exclude:
            yield from _in(getattr(section, name), (*above, name), place_of(field))


def _in(value: Any, path: tuple[str | int, ...], place: Place | None) -> Iterator[tuple[str, str]]:
    if isinstance(value, BaseModel):
        yield from _places(value, path)
    elif isinstance(value, Path):
        yield dotted(path), str(value)
    elif isinstance(value, str):
        if place is not None and place.is_named_by(value):
            yield dotted(path), value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _in(inner, (*path, key), place)
    elif isinstance(value, list | tuple | set | frozenset):
        for index, inner in enumerate(value):
            yield from _in(inner, (*path, index), place)


def _problem(text: str, allowed: Roots, told: Roots) -> str:
    try:
        for file in shards(text):
            allowed.allowed(file)
    except RootsError:
        try:
            told.allowed(text)
        except RootsError as error:
            return str(error)
        return f"{text} stands for files outside the folders that this dashboard may read"
    except DatasetError as error:  # a pattern of too many files
        return str(error)
    return ""
