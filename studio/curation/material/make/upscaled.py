"""Pictures enlarged from fewer pixels than they have."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

from studio.curation.material.make.compressed import saved
from studio.curation.material.make.light import Picture, sharpened, to_picture, to_values

_KERNELS = (
    Image.Resampling.NEAREST,
    Image.Resampling.BILINEAR,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
)
_KERNEL_SHARES = (0.07, 0.28, 0.38, 0.27)


def upscaled(picture: Picture, rng: np.random.Generator) -> Picture:
    """``picture`` as if enlarged 1.5 to 4 times, at times saved as JPEG before, or sharpened after."""
    height, width = picture.shape[:2]
    factor = np.exp(rng.uniform(np.log(1.5), np.log(4)))
    size = (max(1, round(width / factor)), max(1, round(height / factor)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    if rng.random() < 0.5:
        small = saved(small, format="JPEG", quality=int(rng.integers(75, 97)))
    kernel = _KERNELS[rng.choice(len(_KERNELS), p=_KERNEL_SHARES)]
    large = np.asarray(Image.fromarray(small).resize((width, height), kernel))
    if rng.random() < 0.5:
        return large
    radius_px = rng.uniform(0.4, 0.8) * factor
    return to_picture(sharpened(to_values(large), rng.uniform(0.2, 1.5), radius_px))
