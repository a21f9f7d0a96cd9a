"""One setting of a recipe, as a field of a form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal[
    "toggle", "choice", "whole number", "number", "text", "path", "texts", "numbers", "yaml"
]
"""How a value is entered. ``texts`` is a line each, ``yaml`` is for whatever has no simpler form."""


@dataclass(frozen=True)
class Field:
    """A setting.

    Attributes:
        path: ``optimizer.learning_rate``.
        label: its name in words.
        help: its docstring.
        default: JSON value that it has where it is left out.
        bounds: what a number may be, in words; empty where anything goes.
        choices: for ``choice``.
        is_optional: whether it may be empty, which means something of its own.
        is_required: whether it may not be left out.
    """

    path: str
    label: str
    help: str
    kind: Kind
    default: Any = None
    bounds: str = ""
    choices: tuple[Any, ...] = ()
    is_optional: bool = False
    is_required: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(self.path.split("."))

    def is_about(self, words: str) -> bool:
        """Whether every one of the words is in its path, its label or its help."""
        text = f"{self.path} {self.label} {self.help}".lower()
        return all(word in text for word in words.lower().split())


@dataclass(frozen=True)
class Group:
    """The settings of a section.

    Attributes:
        path: ``dataset.caption``; empty for what stands outside of any.
        help: the section's docstring.
    """

    path: str
    title: str
    help: str
    fields: tuple[Field, ...]
