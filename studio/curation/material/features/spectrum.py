"""How energy falls off with frequency: in the richest parts of a picture, and in the calmest.

The rich parts tell lens, gate and enlargement (nothing above the old Nyquist frequency), the calm
ones the colour of the noise. Both are relative to their own lower bands, so that contrast and the
amount of detail cancel out.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from studio.curation.material.features.plane import LARGE_SIDE_PX, Floats, Plane, blurred

_MOST_TILES = 40
_BANDS = 12  # of equal width from 0 to 0.5 cycles a pixel, and one beyond, in the corners
_FLOOR = 1e-3
_EDGE_SIGMAS_PX = (0.5, 1.0, 2.0, 4.0)
_EDGE_SHARE = 0.04
_MOST_LINES = 320


def spectrum(plane: Plane) -> dict[str, float]:
    """Logarithms of power against the mean of the lower bands; ratios of gradients at edges."""
    tiles = _tiles(plane.luma, 64 if min(plane.luma.shape) >= LARGE_SIDE_PX else 32)
    order = np.argsort(tiles[:, ::2, ::2].std(axis=(1, 2)), kind="stable")
    count = max(1, min(_MOST_TILES, len(order) // 4))
    rich = tiles[order[-count:]]
    return {
        **_profile("rich", rich),
        **_profile("calm", tiles[order[:count]]),
        **_edges(rich),
        "period_rows": _periodicity(plane.luma),
        "period_columns": _periodicity(plane.luma.T),
    }


def _tiles(luma: Floats, side: int) -> Floats:
    """(tiles, side, side), edge to edge."""
    rows, columns = luma.shape[0] // side, luma.shape[1] // side
    cut = luma[: rows * side, : columns * side].reshape(rows, side, columns, side)
    return np.asarray(cut.transpose(0, 2, 1, 3).reshape(-1, side, side))


def _profile(name: str, tiles: Floats) -> dict[str, float]:
    side = tiles.shape[1]
    window = np.outer(np.hanning(side), np.hanning(side)).astype(np.float32)
    centred = tiles - tiles.mean(axis=(1, 2), keepdims=True)
    power = np.abs(np.fft.rfft2(centred * window)) ** 2 / (window**2).sum()
    # The median over tiles: one sharp edge must not speak for all of them.
    middle = np.median(power, axis=0).ravel()
    bands, ends = _bands(side)
    levels = np.array([np.log(middle[band].mean() + _FLOOR) for band in bands])
    relative = levels - levels[1:4].mean()
    found = {f"{name}_band_{i}": float(value) for i, value in enumerate(relative) if i > 0}
    lying, standing = (np.log(middle[end].mean() + _FLOOR) for end in ends)
    found[f"{name}_turned"] = float(lying - standing)
    found[f"{name}_axes"] = float((lying + standing) / 2 - levels[-2])
    return found


@lru_cache(maxsize=4)
def _bands(side: int) -> tuple[list[NDArray[np.intp]], list[NDArray[np.intp]]]:
    """Flat indices of each radial band, and of the high ends of both axes."""
    down, right = np.meshgrid(np.fft.fftfreq(side), np.fft.rfftfreq(side), indexing="ij")
    index = np.minimum((np.hypot(down, right) * 2 * _BANDS).astype(int), _BANDS)
    bands = [np.flatnonzero(index == i) for i in range(_BANDS + 1)]
    ends = [
        np.flatnonzero((abs(along) > 0.38) & (abs(across) < 0.06))
        for along, across in ((right, down), (down, right))
    ]
    return bands, ends


def _edges(tiles: Floats) -> dict[str, float]:
    """Gradients of the steepest edges at four scales, each against the next coarser one."""
    strip = tiles.reshape(-1, tiles.shape[2])
    gradients = [_gradients(blurred(strip, sigma), tiles.shape) for sigma in _EDGE_SIGMAS_PX]
    steep = gradients[2] >= np.quantile(gradients[2], 1 - _EDGE_SHARE)
    levels = [float(np.log(np.median(g[steep]) + 0.1)) for g in gradients]
    return {f"edge_{i}": a - b for i, (a, b) in enumerate(pairwise(levels))}


def _gradients(strip: Floats, shape: tuple[int, ...]) -> Floats:
    """Magnitudes away from the seams between tiles, which are edges of our own making."""
    right = cv2.Sobel(strip, cv2.CV_32F, 1, 0, ksize=1)
    down = cv2.Sobel(strip, cv2.CV_32F, 0, 1, ksize=1)
    return np.asarray(cv2.magnitude(right, down)).reshape(shape)[:, 10:-10, 10:-10]


def _periodicity(luma: Floats) -> float:
    """Strength of a beat in the second derivative along rows: enlargement leaves one (Gallagher 2005)."""
    lines = luma[:: max(1, len(luma) // _MOST_LINES)]
    bend = np.abs(2 * lines[:, 1:-1] - lines[:, :-2] - lines[:, 2:])
    course = np.log(np.minimum(bend, 20).mean(axis=0) + 0.05)
    course -= blurred(course[None, :], 4.0)[0]
    power = np.abs(np.fft.rfft(course * np.hanning(course.size))) ** 2
    upper = power[len(power) // 5 :]
    return float(np.log(upper.max() / (np.median(upper) + 1e-9)))
