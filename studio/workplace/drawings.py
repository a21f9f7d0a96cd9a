"""The drawings of before, each with all that it takes to draw it again."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from studio.errands.drawing_order import DrawingOrder
from studio.errands.worker import ASKED, RESULT
from studio.errors import UserError
from studio.recipe import yaml_text

KEY = re.compile(r"[0-9a-f]{16}")
REMEMBERED = 512


@dataclass(frozen=True)
class DrawnPicture:
    """One picture, as ``draw`` tells of it.

    Attributes:
        row, column: what stands before and above it.
        adapter: empty for the bare base.
        checkpoint: the step after which the adapter was as it is here; None: when it was done.
    """

    path: Path
    row: str
    column: str
    prompt: str
    seed: int
    adapter: str
    strength: float
    checkpoint: int | None

    @property
    def alt(self) -> str:
        """For those who do not see it."""
        put_on = f"with {self.adapter} at strength {self.strength:g}" if self.adapter else "bare"
        return f"{self.prompt}: the base model {put_on}, seed {self.seed}"


@dataclass(frozen=True)
class Drawing:
    """One drawing that is done.

    Attributes:
        key: its errand's.
        grid: all pictures on one sheet.
        drawn_at: seconds since 1970.
    """

    key: str
    order: DrawingOrder
    pictures: tuple[DrawnPicture, ...]
    grid: Path
    warnings: tuple[str, ...]
    drawn_at: float

    @property
    def rows(self) -> dict[str, list[DrawnPicture]]:
        """The pictures by what stands before them."""
        rows: dict[str, list[DrawnPicture]] = {}
        for picture in self.pictures:
            rows.setdefault(picture.row, []).append(picture)
        return rows


def drawings(errands: Path) -> list[Drawing]:
    """All that are done, the newest first; what cannot be read any more is passed over."""
    found = (_found(path.parent) for path in errands.glob(f"*/{RESULT}"))
    return sorted((one for one in found if one is not None), key=lambda one: -one.drawn_at)


def drawing(errands: Path, key: str) -> Drawing | None:
    """The one with that key; None where there is none."""
    return _found(errands / key) if KEY.fullmatch(key) else None


def delete(errands: Path, key: str) -> None:
    """Remove a drawing and its pictures.

    Raises:
        UserError: there is none with that key.
    """
    if drawing(errands, key) is None:
        raise UserError(f"there is no drawing {key!r}; it may be gone already")
    shutil.rmtree(errands / key)


def recipe_section(order: DrawingOrder) -> str:
    """The settings as a recipe has them, defaults left out."""
    sampling = order.sampling.model_dump(mode="json", exclude_defaults=True)
    if order.mode == "pairs" and len(order.adapters) == 1 and order.adapters[0].strength != 1.0:
        sampling["strength"] = order.adapters[0].strength
    return yaml_text.dump({"sampling": sampling})


def _found(folder: Path) -> Drawing | None:
    try:
        return _read(folder, (folder / RESULT).stat().st_mtime)
    except (OSError, ValueError, KeyError, TypeError, ValidationError):
        return None


@lru_cache(maxsize=REMEMBERED)
def _read(folder: Path, drawn_at: float) -> Drawing | None:
    asked: dict[str, Any] = json.loads((folder / ASKED).read_text("utf-8"))
    if asked["kind"] != "draw":
        return None
    result: dict[str, Any] = json.loads((folder / RESULT).read_text("utf-8"))
    pictures = (
        DrawnPicture(_within(folder, picture.pop("file")), **picture)
        for picture in result["pictures"]
    )
    return Drawing(
        key=folder.name,
        order=DrawingOrder.model_validate(asked["arguments"]),
        pictures=tuple(pictures),
        grid=_within(folder, result["grid"]),
        warnings=tuple(result["warnings"]),
        drawn_at=drawn_at,
    )


def _within(folder: Path, name: str) -> Path:
    """A file of the drawing, whatever a result that was tampered with says."""
    return folder / Path(name).name
