"""About 110 numbers that tell a picture's material and quality, and as little as may be of its content.

Every group is a function from a `Plane` to named numbers; their order is the order of the names.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from studio.curation.material.features.compression import compression
from studio.curation.material.features.noise import noise
from studio.curation.material.features.plane import LEAST_SIDE_PX, Plane
from studio.curation.material.features.spectrum import spectrum
from studio.curation.material.features.texture import texture

MOST_PIXELS = 1024 * 1024
_GROUPS = (noise, spectrum, compression, texture)


def described(rgb: NDArray[np.uint8]) -> dict[str, float] | None:
    """The features by name; None for a picture too small to tell.

    A picture of more than a megapixel is scaled down to one: fine enough for grain to be seen, near
    enough to what training sees, and the same whatever the base.

    Args:
        rgb: (height, width, 3).
    """
    rgb = _at_scale(rgb)
    if min(rgb.shape[:2]) < LEAST_SIDE_PX:
        return None
    plane = Plane(rgb)
    found: dict[str, float] = {}
    for group in _GROUPS:
        found |= group(plane)
    return found


def _at_scale(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = rgb.shape[:2]
    scale = (MOST_PIXELS / (height * width)) ** 0.5
    if scale >= 1:
        return rgb
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA))
