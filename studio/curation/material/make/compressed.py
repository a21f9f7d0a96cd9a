"""Damage by compression: JPEG, WebP and AVIF of low quality, also of several generations."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from studio.curation.material.make.light import Picture

_SUBSAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")
_BLOCK_PX = 16


def jpeg_low(picture: Picture, rng: np.random.Generator) -> Picture:
    """JPEG of quality 10 to 40, of one to three generations; same shape."""
    for _ in range(rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1])):
        quality = int(rng.integers(10, 41))
        subsampling = str(rng.choice(_SUBSAMPLINGS, p=[0.15, 0.15, 0.7]))
        picture = _shifted_and_saved(
            picture, rng, format="JPEG", quality=quality, subsampling=subsampling
        )
    return picture


def webp_low(picture: Picture, rng: np.random.Generator) -> Picture:
    """WebP of quality 5 to 30, or now and then AVIF as poor: smeared rather than blocky."""
    if rng.random() < 0.2:
        quality = int(rng.integers(8, 35))
        return _shifted_and_saved(picture, rng, format="AVIF", quality=quality, speed=9)
    quality = int(rng.integers(5, 31))
    return _shifted_and_saved(picture, rng, format="WEBP", quality=quality, method=2)


def _shifted_and_saved(picture: Picture, rng: np.random.Generator, **options: object) -> Picture:
    """Through a file whose blocks begin anywhere, for pictures are cropped after they are saved."""
    above, left = rng.integers(0, _BLOCK_PX, 2) * (rng.random() < 0.5)
    margins = ((above, 0), (left, 0), (0, 0))
    decoded = saved(np.pad(picture, margins, mode="edge"), **options)
    return decoded[above:, left:]


def saved(picture: Picture, **options: object) -> Picture:
    """Decoded from a file written with Pillow's ``options``."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, **options)  # type: ignore[arg-type]
    with Image.open(buffer) as image:
        return np.asarray(image.convert("RGB"))
