"""Pictures that were enlarged by software: large on paper, soft or made of squares inside."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from studio.curation.checks.check import PictureCheck
from studio.curation.checks.crop import crop_around
from studio.curation.checks.drawn import is_drawn
from studio.curation.checks.resampling import enlargement, spectra
from studio.curation.checks.tiles import Tile, detailed_tiles
from studio.curation.manifest import Finding, Severity
from studio.curation.view import Measurement, Pixels, View

_TILE_PX = 512
_TILES = 3
_MIN_TILE_PX = 96  # fewer pixels repeat nothing often enough to be told from chance
_REPETITION = 9.0
_DROP_DB = 11.0
_LARGEST_SQUARE = 16


class Upscaled(PictureCheck):
    """Score: share of the native size that the detail was made for, 1 for what was not enlarged.

    Enlarged without smoothing (every pixel a square of equal ones), a flat drawing is pixel art,
    and only remarked on.
    """

    name = "upscaled"

    def __init__(self, min_detail: float) -> None:
        self.min_detail = min_detail

    def measure(self, pixels: Pixels) -> Measurement:
        """Factor of smooth enlargement, side of the equal squares, 1 for a drawing, middle of the
        part looked at (x, y, native pixels).
        """
        tiles = detailed_tiles(pixels.gray, _TILE_PX, _TILES)
        if not tiles:
            return np.array([1, 1, 0, 0, 0], np.float32)
        drawn, half = is_drawn(pixels), len(tiles[0].gray) / 2
        middle = (tiles[0].left + half, tiles[0].top + half)
        return np.array([_smooth(tiles, drawn=drawn), _square(tiles), drawn, *middle], np.float32)

    def score(self, view: View) -> float:
        smooth, square = view.measurements[self.name][:2]
        return float(1 / max(smooth, square))

    def examine(self, view: View) -> Finding | None:
        detail = self.score(view)
        if detail >= self.min_detail:
            return None
        _, square, drawn, *middle = view.measurements[self.name]
        severity: Severity = "info" if square > 1 and drawn else "warn"
        size = tuple(round(side * detail) for side in (view.width_px, view.height_px))
        how = "every pixel repeated" if square > 1 else "soft inside"
        message = (
            f"was enlarged {1 / detail:.1f} times ({how}): it holds the detail of "
            f"{size[0]} x {size[1]} px; use the original"
        )
        crop = crop_around(middle, (view.width_px, view.height_px))
        return self.finding(severity, detail, self.min_detail, message, crop=crop)


def _smooth(tiles: list[Tile], *, drawn: bool) -> float:
    # Straight lines of a drawing repeat of themselves.
    if drawn or len(tiles[0].gray) < _MIN_TILE_PX:
        return 1.0
    return enlargement(spectra(tiles), _REPETITION, _DROP_DB)


def _square(tiles: list[Tile]) -> int:
    """Side in pixels of the squares of equal colour that all tiles are made of; 1 for none."""
    return min(min(_run(tile.gray), _run(tile.gray.T)) for tile in tiles)


def _run(gray: NDArray[np.uint8]) -> int:
    """Largest number of columns that are always equal together."""
    changes = np.flatnonzero((gray[:, 1:] != gray[:, :-1]).any(axis=0)) + 1
    if len(changes) < 3:
        return 1
    for side in range(_LARGEST_SQUARE, 1, -1):
        if len(np.unique(changes % side)) == 1:
            return side
    return 1
