"""Highlights burnt out to white, shadows blocked up to black.

Only areas count, not the glints on water or metal: the clipped pixels must hang together. White or
black that reaches round the picture is paper or a studio's backdrop; so is all of it in a drawing.
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

_WHITE, _BLACK = 251, 4  # of 255: compression moves clipped levels by a few
_MIN_AREA = 0.002  # of the picture: smaller ones are reflections of lamp or sun
_GROUND = 0.6  # of the picture's rim: more than that is a ground, not a fault


class Clipping(PictureCheck):
    """Score: share of the picture's area that is pure white or black, 0 to 1."""

    name = "clipping"

    def __init__(self, max_share: float) -> None:
        self.max_share = max_share

    def measure(self, pixels: Pixels) -> Measurement:
        """Shares clipped to white and to black, then the middle of the largest area of each, as
        shares of width and height.
        """
        if is_drawn(pixels):
            return np.zeros(6, np.float32)
        levels = np.asarray(pixels.thumbnail)
        white = clipped_area((levels >= _WHITE).view(np.uint8))
        black = clipped_area((levels <= _BLACK).view(np.uint8))
        return np.array([white[0], black[0], *white[1:], *black[1:]], np.float32)

    def score(self, view: View) -> float:
        return float(view.measurements[self.name][:2].sum())

    def examine(self, view: View) -> Finding | None:
        share = self.score(view)
        if share <= self.max_share:
            return None
        white, black = view.measurements[self.name][:2]
        middle = (
            view.measurements[self.name][2:4]
            if white >= black
            else view.measurements[self.name][4:]
        )
        size = (view.width_px, view.height_px)
        what = "highlights are burnt out" if white >= black else "shadows are blocked up"
        tone = "white" if white >= black else "black"
        message = (
            f"{what}: {share:.0%} of the picture is pure {tone} without any drawing in it; "
            f"develop it again with less contrast, or crop that part away"
        )
        crop = crop_around(middle * np.array(size), size)
        return self.finding("warn", share, self.max_share, message, crop=crop)


def clipped_area(channels: NDArray[np.uint8]) -> tuple[float, float, float]:
    """Share of the picture in large connected areas, and the middle of the largest (x, y; 0 to 1).

    Args:
        channels: (height, width, 3), 1 where one is clipped; a pixel is where all are.
    """
    mask = channels[..., 0] & channels[..., 1] & channels[..., 2]
    rim = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    if rim.mean() > _GROUND:
        return 0.0, 0.5, 0.5
    _, _, areas, middles = cv2.connectedComponentsWithStats(mask, connectivity=4)
    sizes = areas[1:, cv2.CC_STAT_AREA]
    large = sizes >= max(_MIN_AREA * mask.size, 4)
    if not large.any():
        return 0.0, 0.5, 0.5
    x, y = middles[1:][int(sizes.argmax())] / (mask.shape[1], mask.shape[0])
    return float(sizes[large].sum() / mask.size), float(x), float(y)
