"""What duplicates are compared by: two small pictures and the hashes of many parts of one picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from studio.curation.checks.border import bars
from studio.curation.checks.packing import pack_bytes, unpack_bytes
from studio.curation.checks.perceptual_hash import HASH_BYTES, hashes
from studio.curation.view import Measurement, Pixels

SIDE_PX = 32
GRAY_PX = 64
_HASHED_PX = 128
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
MIN_AREA = 0.55  # of the whole; smaller parts are details, which one may well want beside it
_COLOUR_BYTES = SIDE_PX * SIDE_PX * 3


def _parts(aspect: float) -> list[tuple[float, float, float, float]]:
    """Left, top, width, height as shares: where a crop of a picture may have been taken from.

    Those of about 60 and 80% of the area in all places, and the whole height or width, as when a
    photograph is made square.

    Args:
        aspect: width by height.
    """
    across, down = (share if MIN_AREA <= share <= 0.9 else 0.7 for share in (1 / aspect, aspect))
    shapes = [(0.78, 0.78, 5, 5), (0.89, 0.89, 3, 3), (across, 1.0, 5, 1), (1.0, down, 1, 5)]
    return [
        (float(x), float(y), width, height)
        for width, height, columns, rows in shapes
        for x in np.linspace(0, 1 - width, columns)
        for y in np.linspace(0, 1 - height, rows)
    ]


HASHES = 2 + len(_parts(1))  # the whole, the whole mirrored, the parts


@dataclass(frozen=True)
class Sketch:
    """What is compared of a picture, its bars and frame trimmed off.

    Attributes:
        levels: (32, 32, 3), squeezed to a square.
        gray: (height, width), longer side 64 px.
        hashes: (2 + parts, 2): of the whole, the mirror image, and each of `_parts`; pHash, dHash.
    """

    levels: NDArray[np.uint8]
    gray: NDArray[np.uint8]
    hashes: NDArray[np.uint64]

    @cached_property
    def colours(self) -> NDArray[np.float32]:
        """(32, 32, 3), mean 0 and length 1; zeros for a flat picture."""
        return unit(self.levels.astype(np.float32))

    @cached_property
    def tones(self) -> NDArray[np.float32]:
        """(32, 32), likewise of the brightness."""
        return unit(self.levels.astype(np.float32) @ _LUMA)


def measured_sketch(pixels: Pixels) -> Measurement:
    """A sketch as a measurement, to be read by `sketch_of`."""
    levels = np.ascontiguousarray(_trimmed(np.asarray(pixels.thumbnail)))
    small = cv2.resize(levels, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    gray = _reduced(cv2.cvtColor(levels, cv2.COLOR_RGB2GRAY), _HASHED_PX)
    tiny = _reduced(gray, GRAY_PX)
    height, width = tiny.shape
    bits = hashes(_hashed_parts(gray))
    size = np.array([width, height], np.uint8)
    packed = [size, bits.ravel(), small.ravel(), tiny.ravel()]
    return pack_bytes(np.concatenate(packed))


def sketch_of(measured: Measurement) -> Sketch:
    """The sketch that `measured_sketch` packed."""
    width, height = (int(side) for side in unpack_bytes(measured[:1], 2))
    ends = np.cumsum([2, HASHES * HASH_BYTES, _COLOUR_BYTES, width * height])
    content = unpack_bytes(measured, int(ends[-1]))
    bits, levels, gray = np.split(content[2:], ends[1:-1] - 2)
    return Sketch(
        levels=levels.reshape(SIDE_PX, SIDE_PX, 3),
        gray=gray.reshape(height, width),
        hashes=bits.reshape(HASHES, HASH_BYTES).view(np.uint64),
    )


def unit(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean 0 and length 1, so that a sum of products is a correlation; zeros for flat ones."""
    centred = levels - levels.mean()
    length = np.sqrt((centred**2).sum())
    return centred / length if length > 1 else np.zeros_like(centred)


def _reduced(gray: NDArray[np.uint8], side_px: int) -> NDArray[np.uint8]:
    """With the longer side at most ``side_px``."""
    scale = min(1.0, side_px / max(gray.shape))
    height, width = (max(1, round(side * scale)) for side in gray.shape)
    return np.asarray(cv2.resize(gray, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _trimmed(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    left, top, right, bottom = bars(levels)
    height, width = levels.shape[:2]
    return levels[top : height - bottom, left : width - right]


def _hashed_parts(gray: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(2 + parts, 32, 32)."""
    height, width = gray.shape
    whole = _squeezed(gray)
    parts = [
        _squeezed(
            gray[
                round(y * height) : max(round((y + h) * height), round(y * height) + 1),
                round(x * width) : max(round((x + w) * width), round(x * width) + 1),
            ]
        )
        for x, y, w, h in _parts(width / height)
    ]
    return np.stack([whole, whole[:, ::-1], *parts]).astype(np.float32)


def _squeezed(gray: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(32, 32)."""
    small = cv2.resize(gray, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)
