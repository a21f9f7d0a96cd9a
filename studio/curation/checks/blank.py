"""Pictures with nothing on them."""

from __future__ import annotations

import numpy as np

from studio.curation.checks.check import PictureCheck
from studio.curation.manifest import Finding
from studio.curation.view import Measurement, Pixels, View

# A line drawing on white paper has little information too. But its lines fill more than a
# thousandth of the paper, and differ from it by more than this many of 255 levels.
_STROKE_SHARE = 0.001
_STROKE_LEVELS = 24


class Blank(PictureCheck):
    """Score: entropy in bits of the histogram of 256 levels, of the richest of the three channels.

    Channels and not gray: two colours may be equally bright and yet a picture. Blocks below the
    limit, unless the picture holds strokes (see above).
    """

    name = "blank"

    def __init__(self, min_entropy_bits: float) -> None:
        self.min_entropy_bits = min_entropy_bits

    def measure(self, pixels: Pixels) -> Measurement:
        """Entropy in bits, range of levels without the outermost thousandth at each end."""
        channels = np.asarray(pixels.thumbnail).reshape(-1, 3).T  # (3, pixels)
        ends = np.quantile(channels, (_STROKE_SHARE, 1 - _STROKE_SHARE), axis=1)
        entropies = [entropy_bits(channel) for channel in channels]
        return np.array([max(entropies), (ends[1] - ends[0]).max()], np.float32)

    def score(self, view: View) -> float:
        return float(view.measurements[self.name][0])

    def examine(self, view: View) -> Finding | None:
        entropy, levels = view.measurements[self.name]
        if entropy >= self.min_entropy_bits or levels > _STROKE_LEVELS:
            return None
        message = f"is blank: {entropy:.2f} bits of information in its colours"
        return self.finding("block", entropy, self.min_entropy_bits, message)


def entropy_bits(levels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> float:
    """Shannon entropy of the histogram of 8-bit levels: 0 for one level, 8 for all alike."""
    counts = np.bincount(levels, minlength=256)
    shares = counts[counts > 0] / levels.size
    return float(abs(-(shares * np.log2(shares)).sum()))
