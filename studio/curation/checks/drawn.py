"""Whether a picture is a flat drawing: an icon, line art, a chart. Some faults are faults of
photographs only, and a drawing has what looks like them: pure white, dead-flat areas, few tones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from studio.curation.view import Pixels

_TONES = 6
_TONE_WIDTH = 5  # levels that count as one tone: paper is never quite even
_EDGE_LEVELS = 50
_FLAT_LEVELS = 8  # within one side of an edge
_MIN_TONE_SHARE = 0.8
_MIN_FLAT_SIDES = 0.6


def is_drawn(pixels: Pixels) -> bool:
    """True for few tones with flat colour beside the edges; grain or shading make it False."""
    gray = np.asarray(pixels.at_training_size.convert("L"))
    return tone_share(gray) >= _MIN_TONE_SHARE and flat_sides(gray) >= _MIN_FLAT_SIDES


def tone_share(gray: NDArray[np.uint8]) -> float:
    """Share of the pixels that have one of the six commonest tones, each 5 levels wide."""
    left = np.bincount(gray.ravel(), minlength=256) / gray.size
    share = 0.0
    for _ in range(_TONES):
        tones = np.convolve(left, np.ones(_TONE_WIDTH), "same")
        best = int(tones.argmax())
        share += float(tones[best])
        left[max(0, best - _TONE_WIDTH // 2) : best + _TONE_WIDTH // 2 + 1] = 0
    return share


def flat_sides(gray: NDArray[np.uint8]) -> float:
    """Share of the 8 x 8 blocks with an edge where one side of it is flat; 0 without an edge."""
    rows, columns = gray.shape[0] // 8, gray.shape[1] // 8
    blocks = gray[: rows * 8, : columns * 8].reshape(rows, 8, columns, 8).swapaxes(1, 2)
    levels = blocks.reshape(-1, 64).astype(np.int16)
    levels = levels[np.ptp(levels, axis=1) > _EDGE_LEVELS] if len(levels) else levels
    if not len(levels):
        return 0.0
    ordered = np.sort(levels[:: max(1, len(levels) // 1000)], axis=1)
    # The outermost pixels of a side may belong to ringing; the darker and the brighter third count.
    dark, bright = ordered[:, 20] - ordered[:, 2], ordered[:, 61] - ordered[:, 43]
    return float((np.minimum(dark, bright) <= _FLAT_LEVELS).mean())
