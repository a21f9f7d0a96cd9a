"""Recipes of older versions, brought up to the version that this studio reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from studio.errors import RecipeError
from studio.recipe.problems import show

VERSION: Final = 1

Migration = Callable[[dict[str, Any]], dict[str, Any]]

MIGRATIONS: dict[int, Migration] = {}
"""From each older version to the next one. A migration may change the content that it is given."""


def migrate(content: dict[str, Any]) -> dict[str, Any]:
    """``content`` as a recipe of the current `VERSION`; one without a version counts as version 1.

    Raises:
        RecipeError: the version is newer than this studio, or was never one.
    """
    version = content.get("version", 1)
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise RecipeError(
            [f"version: {show(version)} was never a version; this studio writes {VERSION}"]
        )
    if version > VERSION:
        newer = f"{version} is newer than this studio reads ({VERSION}); upgrade adapter-studio"
        raise RecipeError([f"version: {newer}"])
    while version < VERSION:
        content = MIGRATIONS[version](content)
        version += 1
        content["version"] = version
    return content
