"""Denoised and beautified pictures: crisp edges, and wax between them.

Where a photograph varies weakly, its finest band still carries grain, noise or texture. A denoiser
takes away exactly that and spares what varies strongly, the edges. A lens out of focus takes it away
everywhere, and is not meant here.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from studio.curation.checks.check import PictureCheck
from studio.curation.checks.crop import crop_around
from studio.curation.checks.drawn import is_drawn
from studio.curation.manifest import Finding
from studio.curation.view import Measurement, Pixels, View

_FINE, _COARSE = 0.8, 2.5  # px of blur: finer than the first, and between the two
_BLOCK_PX = 8
# Blocks by how much the coarser band varies, in levels: faint, weak, moderate, strong.
_BANDS = ((0.5, 1.0), (1.0, 2.0), (2.0, 4.0), (8.0, 255.0))
_MIN_BLOCKS = 20
_WINDOW_BLOCKS = 12


class OverSmoothed(PictureCheck):
    """Score: fine texture in weakly varying parts, of what the edges let expect; 1 is usual, 0 none."""

    name = "over_smoothed"

    def __init__(self, min_texture: float) -> None:
        self.min_texture = min_texture

    def measure(self, pixels: Pixels) -> Measurement:
        """Texture (NaN: nothing to judge by), middle of the waxiest part as shares of the sides."""
        if is_drawn(pixels):
            return np.array([np.nan, 0.5, 0.5], np.float32)
        fine, coarse = _bands(np.asarray(pixels.at_training_size.convert("L"), np.float32))
        return np.array([_texture(fine, coarse), *_waxiest(fine, coarse)], np.float32)

    def score(self, view: View) -> float | None:
        texture = float(view.measurements[self.name][0])
        return texture if np.isfinite(texture) else None

    def examine(self, view: View) -> Finding | None:
        texture = self.score(view)
        if texture is None or texture >= self.min_texture:
            return None
        message = (
            f"looks smoothed: {texture:.0%} of the fine texture that its edges let expect; a "
            "denoiser or beauty filter took the rest, and the adapter would learn wax"
        )
        size = (view.width_px, view.height_px)
        crop = crop_around(view.measurements[self.name][1:] * np.array(size), size)
        return self.finding("warn", texture, self.min_texture, message, crop=crop)


def _bands(gray: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(rows, columns) of blocks: amplitude of the fine and of the coarser band, in levels."""
    finer, coarser = (cv2.GaussianBlur(gray, (0, 0), sigma) for sigma in (_FINE, _COARSE))
    return _amplitude(gray - finer), _amplitude(finer - coarser)


def _amplitude(band: NDArray[np.float32]) -> NDArray[np.float32]:
    rows, columns = (side // _BLOCK_PX for side in band.shape)
    part = band[: rows * _BLOCK_PX, : columns * _BLOCK_PX]
    blocks = part.reshape(rows, _BLOCK_PX, columns, _BLOCK_PX)
    return np.asarray(np.sqrt((blocks**2).mean(axis=(1, 3))))


def _texture(fine: NDArray[np.float32], coarse: NDArray[np.float32]) -> float:
    """Geometric mean of what faint, weak and moderate parts keep of the fine band, against what the
    strong ones keep; NaN where there are too few of one of them.
    """
    faint, weak, moderate, strong = (_kept(fine, coarse, between) for between in _BANDS)
    return float(np.sqrt(faint * weak * np.sqrt(moderate / strong)))


def _kept(
    fine: NDArray[np.float32], coarse: NDArray[np.float32], between: tuple[float, float]
) -> float:
    chosen = (coarse >= between[0]) & (coarse < between[1])
    if chosen.sum() < _MIN_BLOCKS:
        return float("nan")
    return float(np.median(fine[chosen] / coarse[chosen]))


def _waxiest(fine: NDArray[np.float32], coarse: NDArray[np.float32]) -> tuple[float, float]:
    """Middle of the window with most blocks that vary weakly and have no fine texture."""
    waxy = ((coarse >= _BANDS[0][0]) & (coarse < _BANDS[2][1]) & (fine < 0.3 * coarse)).astype(
        np.float32
    )
    if not waxy.any():
        return 0.5, 0.5
    density = cv2.blur(waxy, (_WINDOW_BLOCKS, _WINDOW_BLOCKS))
    row, column = np.unravel_index(int(density.argmax()), density.shape)
    return (float(column) + 0.5) / waxy.shape[1], (float(row) + 0.5) / waxy.shape[0]
