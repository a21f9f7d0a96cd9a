"""Traces of lossy compression in the pixels themselves, whatever the file is stored as now."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from studio.curation.material.features.plane import Floats, Plane

_SIDE = 8
_MOST_BLOCKS = 1500
_MOST_LINES = 256
_NEAR_ZERO = 0.6  # levels; rounding to 8 bits after decompression leaves about 0.3 in a coefficient

# Blue and red difference, ITU-R BT.601; their blocks are twice as large where colour was halved.
_COLOURS = {
    "blue": np.array([[-0.169, -0.331, 0.5]], np.float32),
    "red": np.array([[0.5, -0.419, -0.081]], np.float32),
}


def compression(plane: Plane) -> dict[str, float]:
    """Steps at block borders, and coefficients that quantisation set to nothing."""
    luma = plane.luma
    found, offsets = {}, []
    for way, values in (("rows", luma), ("columns", luma.T)):
        steps = _steps(_lines(values), _SIDE)
        found[f"blocks_{way}"] = _contrast(steps)
        offsets.append(int(steps.argmax()))
    for name, weights in _COLOURS.items():
        values = cv2.transform(_lines(plane.rgb).astype(np.float32), weights)
        found[f"blocks_{name}"] = _contrast(_steps(values, 16))
    right, down = offsets
    aligned = _near_zero(luma[down % _SIDE :, right % _SIDE :])
    apart = _near_zero(luma[(down + 4) % _SIDE :, (right + 4) % _SIDE :])
    for zone in aligned:
        found[f"zeros_{zone}"] = aligned[zone]
        found[f"zeros_{zone}_aligned"] = aligned[zone] - apart[zone]
    return found


def _lines(values: NDArray[Any]) -> NDArray[Any]:
    """Some of the rows, evenly."""
    return np.ascontiguousarray(values[:: max(1, len(values) // _MOST_LINES)])


def _steps(values: Floats, period: int) -> NDArray[np.float64]:
    """(period,): how much larger a step is than its neighbours', by its place in the period."""
    middle = np.abs(values[:, 2:-1] - values[:, 1:-2])
    around = (
        np.abs(values[:, 1:-2] - values[:, :-3]) + np.abs(values[:, 3:] - values[:, 2:-1])
    ) / 2
    course = np.clip(middle - around, -8, 8).mean(axis=0)
    whole = course[: course.size // period * period].reshape(-1, period)
    scale = np.minimum(middle, 20).mean() + 0.2
    # The first step lies between columns 1 and 2: rolled, place k stands before column k.
    return np.asarray(np.roll(whole.mean(axis=0) / scale, 2), np.float64)


def _contrast(steps: NDArray[np.float64]) -> float:
    return float(np.sort(steps)[-1] - np.median(steps))


def _near_zero(luma: Floats) -> dict[str, float]:
    """Shares of near-zero coefficients of the blocks' cosine transform, by frequency."""
    rows, columns = luma.shape[0] // _SIDE, luma.shape[1] // _SIDE
    cut = luma[: rows * _SIDE, : columns * _SIDE].reshape(rows, _SIDE, columns, _SIDE)
    blocks = cut.transpose(0, 2, 1, 3).reshape(-1, _SIDE, _SIDE)
    blocks = blocks[:: max(1, len(blocks) // _MOST_BLOCKS)]
    transform = _cosines()
    coefficients = transform @ blocks @ transform.T
    small = np.abs(coefficients) < _NEAR_ZERO  # (blocks, 8, 8)
    order = np.add.outer(np.arange(_SIDE), np.arange(_SIDE))
    zones = {
        "low": (order > 0) & (order <= 3),
        "middle": (order > 3) & (order <= 8),
        "high": order > 8,
    }
    return {name: float(small[:, zone].mean()) for name, zone in zones.items()}


@lru_cache(maxsize=1)
def _cosines() -> Floats:
    return np.asarray(cv2.dct(np.eye(_SIDE, dtype=np.float32), flags=cv2.DCT_ROWS)).T
