"""Pictures that JPEG compression has damaged: blocks, ringing, smeared detail."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from studio.curation.checks.check import PictureCheck
from studio.curation.checks.crop import crop_around
from studio.curation.checks.drawn import is_drawn
from studio.curation.checks.jpeg_history import grid_offset, quality_of_pixels, quality_of_table
from studio.curation.checks.tiles import Tile, detailed_tiles
from studio.curation.manifest import Finding
from studio.curation.view import Measurement, Pixels, View

_TILE_PX = 256
_TILES = 4


class Compression(PictureCheck):
    """Score: JPEG quality 1 to 100, the lowest that the picture went through.

    From the file's own table, and from the pixels: those of a picture saved again as PNG or at a
    higher quality still tell. Not scored where neither says anything.
    """

    name = "compression"

    def __init__(self, warn_below: float, block_below: float) -> None:
        self.warn_below = warn_below
        self.block_below = block_below

    def measure(self, pixels: Pixels) -> Measurement:
        """Quality by the pixels (NaN: not compressed), then the middle of the most damaged part."""
        tiles = detailed_tiles(pixels.gray, _TILE_PX, _TILES)
        # What compression does to a flat drawing, ringing round its lines, makes it flat no more.
        quality = float("nan") if is_drawn(pixels) else quality_of_pixels(tiles)
        return np.array([quality, *_worst_place(tiles)], np.float32)

    def score(self, view: View) -> float | None:
        table = view.facts.luma_table
        known = [quality_of_table(table)] if len(table) == 64 else []
        by_pixels = float(view.measurements[self.name][0])
        known += [by_pixels] if np.isfinite(by_pixels) else []
        return min(known) if known else None

    def examine(self, view: View) -> Finding | None:
        quality = self.score(view)
        if quality is None or quality >= self.warn_below:
            return None
        blocked = quality < self.block_below
        message = (
            f"was saved as JPEG at quality {quality:.0f} of 100: "
            f"{'its blocks and smears would be learned' if blocked else 'fine texture is lost'}; "
            "look for the original"
        )
        middle = view.measurements[self.name][1:].tolist()
        return self.finding(
            "block" if blocked else "warn",
            quality,
            self.block_below if blocked else self.warn_below,
            message,
            crop=crop_around(middle, (view.width_px, view.height_px)),
        )


def _worst_place(tiles: list[Tile]) -> tuple[float, float]:
    """Where the blocks stand out most: middle of that tile, in pixels of the file."""
    if not tiles:
        return 0.0, 0.0
    column = grid_offset(tiles, axis=1)
    worst = max(tiles, key=lambda tile: _blockiness(tile, column))
    half = len(worst.gray) / 2
    return worst.left + half, worst.top + half


def _blockiness(tile: Tile, column: int) -> float:
    """How much larger steps at the blocks' borders are than the others, as a ratio."""
    steps: NDArray[np.int16] = np.abs(np.diff(tile.gray.astype(np.int16), axis=1))
    at_border = (tile.left + 1 + np.arange(steps.shape[1])) % 8 == column
    if not at_border.any():
        return 0.0
    return float(steps[:, at_border].mean() / (steps[:, ~at_border].mean() + 1))
