"""What is different between two recipes, by what they mean rather than how they are written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from studio.recipe.fields import Path, dotted
from studio.recipe.problems import show
from studio.recipe.schema import Recipe


class _Absent(Enum):
    ABSENT = "absent"


ABSENT: Final = _Absent.ABSENT
"""Stands for a setting that a recipe's method does not have."""


@dataclass(frozen=True)
class Change:
    """One setting that is different.

    Attributes:
        path: ``optimizer.learning_rate``.
        before, after: JSON values, or `ABSENT`.
    """

    path: str
    before: Any
    after: Any

    def row(self) -> list[str]:
        """Path, before and after, for a table."""
        return [self.path, _shown(self.before), _shown(self.after)]

    def to_json(self) -> dict[str, Any]:
        """What is absent is left out."""
        return {key: value for key, value in vars(self).items() if value is not ABSENT}


def difference(before: Recipe, after: Recipe) -> list[Change]:
    """Every setting that differs, defaults filled in, in the recipe's order.

    Locks, comments and the order of keys make no difference.
    """
    then, now = (dict(_settings(recipe.model_dump(mode="json"))) for recipe in (before, after))
    changes = (
        Change(dotted(path), then.get(path, ABSENT), now.get(path, ABSENT))
        for path in dict.fromkeys((*then, *now))
    )
    return [change for change in changes if change.before != change.after]


def _settings(content: Mapping[str, Any], above: Path = ()) -> Iterator[tuple[Path, Any]]:
    for key, value in content.items():
        if isinstance(value, Mapping) and value:
            yield from _settings(value, (*above, key))
        elif value != {}:
            yield (*above, key), value


def _shown(value: Any) -> str:
    return "not there" if value is ABSENT else "empty" if value in (None, "") else show(value)
