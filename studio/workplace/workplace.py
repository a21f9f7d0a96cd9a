"""Where the dashboard keeps what.

::

    runs/<name>/                 the runs themselves
    runs/.studio/sets/           sets of pictures: decisions, captions, uploads
    runs/.studio/recipes/        recipes in the making
    runs/.studio/errands/<key>/  pictures drawn and files written on request, with what was asked
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from studio.workplace.roots import Roots


@dataclass(frozen=True)
class Workplace:
    """One person's or one room's runs, and the folders that may be read for them."""

    runs: Path
    roots: Roots

    @classmethod
    def at(cls, runs: Path, roots: Roots) -> Workplace:
        """What is made here may always be read again."""
        runs = runs.expanduser().resolve()
        return cls(runs, Roots((*roots.folders, runs)))

    @property
    def folder(self) -> Path:
        return self.runs / ".studio"

    @property
    def sets(self) -> Path:
        return self.folder / "sets"

    @property
    def recipes(self) -> Path:
        return self.folder / "recipes"

    @property
    def errands(self) -> Path:
        return self.folder / "errands"
