"""Every picture's way in and out, the same for all materials: one crop, and one last file."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from studio.curation.decode import open_rgb
from studio.curation.material.make.light import Picture

SIDE_PX = (640, 1024)
_LONGEST = 1.5  # longer side by shorter
_PNG_SHARE = 0.35
_JPEG_QUALITIES = (92, 97)


def one_crop(path: Path, rng: np.random.Generator, side_px: tuple[int, int] = SIDE_PX) -> Picture:
    """A random part of a photograph, reduced to a random size by averaging; never enlarged.

    Args:
        path: the photograph, of any format that curation reads.
        side_px: least and greatest shorter side of the result. A photograph that is smaller than
            the greatest narrows the range, one smaller than the least is returned at its own size.

    Raises:
        DatasetError: the file is no picture.
    """
    picture = np.asarray(open_rgb(path))
    aspect = np.exp(rng.uniform(-1, 1) * np.log(_LONGEST))  # width by height
    height, width = picture.shape[:2]
    greatest = min(height, width / aspect) * min(1.0, aspect)  # shorter side of the largest crop
    least_px, most_px = (min(side, int(greatest)) for side in side_px)
    side = int(rng.integers(least_px, most_px + 1))
    # As often a detail as the whole: the eye knows textures from both.
    cropped_side = side * (greatest / side) ** rng.random()
    cropped = _cropped(picture, _shape(cropped_side, aspect), rng)
    height, width = _shape(side, aspect)
    return cv2.resize(cropped, (width, height), interpolation=cv2.INTER_AREA)


def finished(picture: Picture, rng: np.random.Generator) -> Picture:
    """``picture`` after the last file that every one goes through, whatever it is made of."""
    with Image.open(io.BytesIO(encoded(picture, rng))) as image:
        return np.asarray(image.convert("RGB"))


def encoded(picture: Picture, rng: np.random.Generator) -> bytes:
    """A PNG, or a JPEG of high quality without chroma subsampling; no metadata."""
    buffer = io.BytesIO()
    image = Image.fromarray(picture)
    if rng.random() < _PNG_SHARE:
        image.save(buffer, "PNG", compress_level=1)
    else:
        quality = int(rng.integers(_JPEG_QUALITIES[0], _JPEG_QUALITIES[1] + 1))
        image.save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def _shape(shorter_side: float, aspect: float) -> tuple[int, int]:
    """Height and width."""
    return round(shorter_side / min(1.0, aspect)), round(shorter_side * max(1.0, aspect))


def _cropped(picture: Picture, shape: tuple[int, int], rng: np.random.Generator) -> Picture:
    height, width = (min(part, whole) for part, whole in zip(shape, picture.shape, strict=False))
    top = rng.integers(picture.shape[0] - height + 1)
    left = rng.integers(picture.shape[1] - width + 1)
    return picture[top : top + height, left : left + width]
