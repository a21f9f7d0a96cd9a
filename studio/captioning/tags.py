"""What a tagger knows, and how its tags are written."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.errors import CaptionerError

TAGS_NAME = "selected_tags.csv"
_GENERAL, _CHARACTER = "0", "4"  # others rate the picture, or say who drew it
_WORD = re.compile(r"[^\W\d_]{2}")


@dataclass(frozen=True)
class Tags:
    """A tagger's tags, in the order of its output.

    Attributes:
        names: as they are written in captions.
        general, character: (tags,) which of them tell what is to be seen, and who.
    """

    names: tuple[str, ...]
    general: NDArray[np.bool_]
    character: NDArray[np.bool_]

    def chosen(
        self, probabilities: NDArray[np.float32], threshold: float, character_threshold: float
    ) -> list[str]:
        """Characters, then all else that is likely enough, the surest first. Ratings are left out.

        Args:
            probabilities: (tags,), 0 to 1.
        """
        order = np.argsort(-probabilities, kind="stable")
        chosen = []
        for kind, least in ((self.character, character_threshold), (self.general, threshold)):
            chosen += [self.names[i] for i in order if kind[i] and probabilities[i] >= least]
        return chosen


def read_tags(path: Path) -> Tags:
    """Read ``selected_tags.csv``.

    Raises:
        CaptionerError: it is broken, or lacks the columns ``name`` and ``category``.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [(written(row["name"]), row["category"]) for row in csv.DictReader(file)]
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, TypeError) as error:
        raise _no_list(path, f"{type(error).__name__}: {error}") from error
    if not rows:
        raise _no_list(path, "it is empty")
    categories = [category for _, category in rows]
    return Tags(
        tuple(name for name, _ in rows),
        np.array([category == _GENERAL for category in categories]),
        np.array([category == _CHARACTER for category in categories]),
    )


def _no_list(path: Path, why: str) -> CaptionerError:
    return CaptionerError(
        f"{path} is no list of tags ({why}); it needs the columns name and category: fetch it anew"
    )


def written(tag: str) -> str:
    """``long_hair`` as ``long hair``; faces such as ``^_^`` and ``o_o`` stay."""
    return tag.replace("_", " ") if _WORD.search(tag) else tag
