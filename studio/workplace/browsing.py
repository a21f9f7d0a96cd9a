"""Looking into folders to find pictures: inside the roots only, and only so far as a page can show."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from studio.curation.sources.entry_names import is_picture
from studio.errors import RootsError
from studio.workplace.roots import Roots

MOST_ENTRIES = 5000
MOST_FOLDERS = 60


@dataclass(frozen=True)
class Inside:
    """A folder below the one that is looked into.

    Attributes:
        pictures: that lie directly in it; at most `MOST_ENTRIES`.
    """

    path: Path
    pictures: int


@dataclass(frozen=True)
class Listing:
    """What stands in a folder.

    Attributes:
        parent: one up, where that may be read.
        folders: those that may be read, hidden ones left out.
        more_folders: how many there are beyond those.
    """

    path: Path
    parent: Path | None
    pictures: int
    folders: tuple[Inside, ...]
    more_folders: int


def look_into(given: Path | str, roots: Roots) -> Listing:
    """Raises:
    RootsError: it is outside the roots, or no folder that can be read.
    """
    path = roots.allowed(given)
    if not path.is_dir():
        raise RootsError(f"{path} is no folder; check the path")
    below = [entry for entry in _entries(path) if _is_open_folder(entry, roots)]
    shown = below[:MOST_FOLDERS]
    return Listing(
        path=path,
        parent=_parent(path, roots),
        pictures=_pictures(path),
        folders=tuple(Inside(Path(entry), _pictures(Path(entry))) for entry in shown),
        more_folders=len(below) - len(shown),
    )


def _parent(path: Path, roots: Roots) -> Path | None:
    try:
        return roots.allowed(path.parent) if path.parent != path else None
    except RootsError:
        return None


def _is_open_folder(entry: os.DirEntry[str], roots: Roots) -> bool:
    if entry.name.startswith("."):
        return False
    try:
        return entry.is_dir() and bool(roots.allowed(entry.path))
    except (OSError, RootsError):
        return False


def _pictures(folder: Path) -> int:
    return sum(1 for entry in _entries(folder) if is_picture(entry.name))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """By name; of a folder that may not be read, none."""

    def first(entries: Iterator[os.DirEntry[str]]) -> Iterator[os.DirEntry[str]]:
        for _, entry in zip(range(MOST_ENTRIES), entries, strict=False):
            yield entry

    try:
        with os.scandir(folder) as entries:
            return sorted(first(entries), key=lambda entry: entry.name)
    except OSError:
        return []
