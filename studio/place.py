"""Settings that name a file or folder, marked so that none is forgotten where people are kept to some."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic.fields import FieldInfo


@dataclass(frozen=True)
class Place:
    """The mark: ``Annotated[str, Place()]``.

    Attributes:
        never: pattern of text that is no path, whatever lies here under that name.
        unless_here: pattern of text that is a path only where something lies here, such as a hub id.
    """

    never: str = ""
    unless_here: str = ""

    def is_named_by(self, text: str) -> bool:
        """Whether ``text`` leads to a file or folder of this machine."""
        if re.fullmatch(self.never, text):
            return False
        return not re.fullmatch(self.unless_here, text) or _is_here(text)


PathText = Annotated[str, Place()]
"""Text that names a file or folder; empty where that may be left open. A `Path` needs no mark."""


def place_of(field: FieldInfo) -> Place | None:
    """How a setting's text names a place; None where it names none."""
    found = (mark for mark in field.metadata if isinstance(mark, Place))
    return next(found, None) or _place_in(field.annotation)


def _place_in(annotation: Any) -> Place | None:
    if annotation is Path:
        return Place()
    marks = (m for m in getattr(annotation, "__metadata__", ()) if isinstance(m, Place))
    return next(marks, None) or next(filter(None, map(_place_in, get_args(annotation))), None)


def _is_here(text: str) -> bool:
    try:
        return Path(text).expanduser().exists()
    except (OSError, RuntimeError, ValueError):  # a name too long, a home unknown, a null byte
        return False
