"""A few square parts of a picture, so that a check of 12 megapixels costs what one of two does."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Tile(NamedTuple):
    """A square part of a picture. ``left`` and ``top`` are its place; ``gray`` (side, side)."""

    left: int
    top: int
    gray: NDArray[np.uint8]


_LINE_STEP = 4  # every fourth line tells where the detail is


def detailed_tiles(gray: NDArray[np.uint8], side_px: int, count: int) -> list[Tile]:
    """The ``count`` squares with the most detail, of a grid that covers the picture.

    Args:
        gray: (height, width), levels 0 to 255.
        side_px: of a square. A picture narrower than that gives squares of its shorter side,
            rounded down to a multiple of 8; one below 16 px gives none.
    """
    side = min(side_px, min(gray.shape) // 8 * 8)
    if side < 16:
        return []
    rows, columns = (length // side for length in gray.shape)
    lines = gray[: rows * side : _LINE_STEP, : columns * side].astype(np.int16)
    change = np.abs(np.diff(lines, axis=1, append=lines[:, -1:]))
    shape = (rows, side // _LINE_STEP, columns, side)
    detail = change.reshape(shape).mean(axis=(1, 3)).ravel()
    chosen = np.sort(np.argsort(-detail, kind="stable")[:count])
    return [_tile(gray, int(i % columns) * side, int(i // columns) * side, side) for i in chosen]


def _tile(gray: NDArray[np.uint8], left: int, top: int, side: int) -> Tile:
    return Tile(left, top, gray[top : top + side, left : left + side])
