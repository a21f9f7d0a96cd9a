"""Parts of a picture shown pixel by pixel, so that grain, blocks and blur can be seen."""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy.ndimage import uniform_filter  # type: ignore[attr-defined]

from studio.curation.manifest import Finding

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels of the upright file."""

GRAIN_PX = 128
MOST_PX = 192
_COARSE = 8  # averages this many pixels a side: noise is gone, edges are not
_DARK, _LIGHT = 40, 215  # of 255: grain drowns in black and in paper white


def evidence_box(finding: Finding, size_px: tuple[int, int]) -> Box | None:
    """The part that a finding points at, of a large one the middle; None where it points at none."""
    try:
        left, top, width, height = map(int, str(finding.evidence["crop"]).split(","))
    except (KeyError, ValueError):
        return None
    left, width = _middle(left, width)
    top, height = _middle(top, height)
    right, bottom = min(left + width, size_px[0]), min(top + height, size_px[1])
    left, top = max(left, 0), max(top, 0)
    return (left, top, right, bottom) if left < right and top < bottom else None


def _middle(start: int, length: int) -> tuple[int, int]:
    over = max(0, length - MOST_PX)
    return start + over // 2, length - over


def grain_box(image: Image.Image) -> Box:
    """The calmest square of 128 px that is neither black nor white: there the material shows, not the
    subject. All of a picture that is no larger.
    """
    width, height = (min(GRAIN_PX, side) for side in image.size)
    coarse = np.asarray(image.convert("L").reduce(_COARSE), np.float32)
    window = (max(1, height // _COARSE), max(1, width // _COARSE))
    mean = uniform_filter(coarse, window)
    spread = uniform_filter(coarse**2, window) - mean**2
    extreme = np.maximum(_DARK - mean, 0) + np.maximum(mean - _LIGHT, 0)
    unrest = spread + extreme**2
    inside = _centres_inside(unrest, window)
    row, column = np.unravel_index(np.argmin(inside), inside.shape)
    left = _shifted_inside(int(column) * _COARSE, image.width - width)
    top = _shifted_inside(int(row) * _COARSE, image.height - height)
    return left, top, left + width, top + height


def _centres_inside(
    unrest: np.ndarray[tuple[int, ...], np.dtype[np.float32]], window: tuple[int, int]
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Without the centres whose window reaches over the edge, so that place 0 starts at pixel 0."""
    rows, columns = (max(1, unrest.shape[i] - window[i] + 1) for i in (0, 1))
    top, left = (min(window[i] // 2, unrest.shape[i] - 1) for i in (0, 1))
    return unrest[top : top + rows, left : left + columns]


def _shifted_inside(start: int, last: int) -> int:
    return min(max(start, 0), max(last, 0))
