"""What a set may be called: what a run may, for its name is a folder's too."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from studio.recipe.schema import is_name
from studio.recipe.starter import run_name

_ROOM_FOR_NUMBER = 74


def valid_name(title: str) -> str:
    """The title itself where it can be a name, else one made from it: "Mein Bär" becomes "mein-bär"."""
    title = title.strip()
    return title if is_name(title) else run_name(title)


def free_name(title: str, is_taken: Callable[[str], bool]) -> str:
    """A name made from any title, with a number where there is one of that name already."""
    name = run_name(title)[:_ROOM_FOR_NUMBER].rstrip("-._")
    if not is_name(name):
        name = "pictures"
    numbered = (f"{name}-{number}" for number in count(2))
    return name if not is_taken(name) else next(n for n in numbered if not is_taken(n))
