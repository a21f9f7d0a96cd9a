"""Photographs of next to nothing: a wall, a closed lens cap, thick fog."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from studio.curation.checks.blank import entropy_bits
from studio.curation.checks.check import PictureCheck
from studio.curation.manifest import Finding
from studio.curation.view import Measurement, Pixels, View

_BLOCK_PX = 8
_SHAPE_LEVELS = 24  # of 255, within a block: an edge rather than noise or a gradient
_MIN_SHAPE_SHARE = 0.03


class LowInformation(PictureCheck):
    """Score: entropy in bits of the histogram of 256 levels, of the richest of the three channels.

    A flat drawing has as little, and is a picture: shapes with crisp edges are never warned of.
    """

    name = "low_information"

    def __init__(self, min_entropy_bits: float) -> None:
        self.min_entropy_bits = min_entropy_bits

    def measure(self, pixels: Pixels) -> Measurement:
        """Entropy in bits, share of the blocks of the thumbnail that hold a shape."""
        levels = np.asarray(pixels.thumbnail)
        entropies = [entropy_bits(channel) for channel in levels.reshape(-1, 3).T]
        return np.array([max(entropies), shape_share(levels)], np.float32)

    def score(self, view: View) -> float:
        return float(view.measurements[self.name][0])

    def examine(self, view: View) -> Finding | None:
        entropy, shapes = view.measurements[self.name]
        if entropy >= self.min_entropy_bits or shapes >= _MIN_SHAPE_SHARE:
            return None
        message = (
            f"shows next to nothing: {entropy:.1f} bits of information in its tones; "
            "there is little to learn from it"
        )
        return self.finding("warn", entropy, self.min_entropy_bits, message)


def shape_share(levels: NDArray[np.uint8]) -> float:
    """Share of the 8 x 8 blocks in which some channel varies as an edge does.

    Args:
        levels: (height, width, 3).
    """
    kernel = np.ones((_BLOCK_PX, _BLOCK_PX), np.uint8)
    spans = cv2.morphologyEx(levels, cv2.MORPH_GRADIENT, kernel)[::_BLOCK_PX, ::_BLOCK_PX]
    return float((spans.max(axis=2) > _SHAPE_LEVELS).mean())
