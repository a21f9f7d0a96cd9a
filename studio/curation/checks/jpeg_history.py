"""The quality at which a picture was once JPEG-compressed, from its file or from its pixels.

A compressed picture's DCT coefficients stand on multiples of the quantisation steps, and stay there
when it is saved again without loss or at a higher quality; so the steps can be read off the pixels.
After Fan and de Queiroz, "Identification of bitmap compression history" (2003).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn

from studio.curation.checks.tiles import Tile

# The example table of the JPEG standard (ITU-T T.81, table K.1), which the Independent JPEG
# Group's quality scale multiplies.
_STANDARD = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
# Low frequencies: the high ones of a compressed picture are nought everywhere.
_PLACES = np.array([(u, v) for u in range(5) for v in range(5) if 0 < u + v < 5])
_BASE = _STANDARD[_PLACES[:, 0], _PLACES[:, 1]]
_LARGEST = 400  # coefficients beyond are rare
_LARGEST_STEP = 255  # that a table can hold: what should be larger is cut off
_STEPS = np.arange(4, 161)
_MIN_COUNT = 12  # coefficients that are not nought, for a step to be told
_MIN_PERIODICITY = 0.8  # mean cosine of the coefficients over their step; 0 for any other picture
# A few shapes on flat ground have few different blocks, whose coefficients repeat as well.
_VARIED_LEVELS, _MIN_VARIED_BLOCKS = 6, 48
_MIN_PLACES = 4
_AGREEMENT = 0.25
_MIN_AGREEING = 0.6


def quality_of_table(luma_table: Sequence[int]) -> float:
    """Quality 1 to 100 on the Independent JPEG Group's scale; a foreign table's nearest."""
    steps = np.array(luma_table)
    in_range = steps < _LARGEST_STEP if (steps < _LARGEST_STEP).any() else steps > 0
    return _quality(float(np.mean(steps[in_range] / _STANDARD.ravel()[in_range])))


def quality_of_pixels(tiles: Sequence[Tile]) -> float:
    """Quality 1 to 100 of an earlier compression; NaN where the pixels tell of none."""
    if not tiles:
        return float("nan")
    left, top = (grid_offset(tiles, axis) for axis in (1, 0))
    blocks = np.concatenate([_blocks(tile, left, top) for tile in tiles])
    if (np.ptp(blocks, axis=(1, 2)) > _VARIED_LEVELS).sum() < _MIN_VARIED_BLOCKS:
        return float("nan")
    steps = _quantisation_steps(_histograms(blocks))
    scales = steps / _BASE
    known = scales[np.isfinite(scales)]
    if len(known) < _MIN_PLACES:
        return float("nan")
    scale = float(np.median(known))
    agreeing = np.abs(known / scale - 1) < _AGREEMENT
    return _quality(scale) if agreeing.mean() >= _MIN_AGREEING else float("nan")


def grid_offset(tiles: Sequence[Tile], axis: int) -> int:
    """Column (axis 1) or row (axis 0) modulo 8 at which blocks of 8 begin, if there are any."""
    return int(np.argmax(grid_profile(tiles, axis)))


def grid_profile(tiles: Sequence[Tile], axis: int) -> NDArray[np.float64]:
    """(8,): by how much each step between lines exceeds its neighbours, by place modulo 8."""
    profile = np.zeros(8)
    for tile in tiles:
        gray = tile.gray if axis == 1 else tile.gray.T
        start = tile.left if axis == 1 else tile.top
        steps = np.abs(np.diff(gray.astype(np.int16), axis=1))
        excess = np.clip(steps[:, 1:-1] - (steps[:, :-2] + steps[:, 2:]) / 2, -12, 12).mean(axis=0)
        # The step between columns i + 1 and i + 2 of the tile: a block may begin at the latter.
        places = (start + 2 + np.arange(len(excess))) % 8
        profile += np.bincount(places, excess, 8) / np.maximum(np.bincount(places, minlength=8), 1)
    return profile / max(1, len(tiles))


def _blocks(tile: Tile, left: int, top: int) -> NDArray[np.float32]:
    """(blocks, 8, 8) whole blocks of the grid that lie in the tile."""
    x, y = (left - tile.left) % 8, (top - tile.top) % 8
    rows, columns = (
        (side - start) // 8 for side, start in zip(tile.gray.shape, (y, x), strict=True)
    )
    part = tile.gray[y : y + rows * 8, x : x + columns * 8].astype(np.float32)
    return part.reshape(rows, 8, columns, 8).swapaxes(1, 2).reshape(-1, 8, 8)


def _histograms(blocks: NDArray[np.float32]) -> NDArray[np.float32]:
    """(places, 2 * _LARGEST + 1) how often each rounded coefficient occurs."""
    coefficients = dctn(blocks, axes=(1, 2), norm="ortho")[:, _PLACES[:, 0], _PLACES[:, 1]]
    rounded = np.clip(np.rint(coefficients), -_LARGEST, _LARGEST).astype(int) + _LARGEST
    counts = [np.bincount(column, minlength=2 * _LARGEST + 1) for column in rounded.T]
    return np.array(counts, np.float32)


def _quantisation_steps(histograms: NDArray[np.float32]) -> NDArray[np.float64]:
    """(places,) the step of each coefficient, NaN where it cannot be told."""
    periodicity = histograms @ _COSINES / np.maximum(histograms @ _NOT_NOUGHT, 1)
    periodicity[histograms @ _NOT_NOUGHT < _MIN_COUNT] = 0
    # A step's divisors fit as well as the step itself: the largest that fits is meant.
    fits = periodicity >= np.maximum(_MIN_PERIODICITY, 0.9 * periodicity.max(axis=1, keepdims=True))
    largest = _STEPS[len(_STEPS) - 1 - fits[:, ::-1].argmax(axis=1)]
    return np.where(fits.any(axis=1), largest.astype(float), np.nan)


def _quality(scale: float) -> float:
    percent = max(scale * 100, 1)
    return max(1.0, 5000 / percent if percent > 100 else (200 - percent) / 2)


def _tables() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(values, steps): cosine of each value over each step, and whether it is not nought there."""
    values = np.arange(-_LARGEST, _LARGEST + 1)[:, None]
    not_nought = (np.abs(values) >= _STEPS / 2).astype(np.float32)
    return (np.cos(2 * np.pi * values / _STEPS) * not_nought).astype(np.float32), not_nought


_COSINES, _NOT_NOUGHT = _tables()
