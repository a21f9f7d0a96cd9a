"""Where text stands in a picture: strokes of one height in a row."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

_WINDOW_PX = 15  # strokes differ from what surrounds them within this
_CONTRAST = 28  # levels
_HEIGHTS_PX = (6, 48)
_ASPECTS = (0.08, 1.6)
_FILLS = (0.2, 0.9)  # share of its box that a letter covers
_MIN_LETTERS = 9
_ALIKE = 0.45  # difference in height, as a share: x and h
_LEVEL = 0.35  # difference of the middles, as a share of the height: h and p
_GAP = 0.9  # between letters, as a share of the height


class Box(NamedTuple):
    """A rectangle in pixels."""

    left: int
    top: int
    width: int
    height: int


def text_lines(gray: NDArray[np.uint8]) -> list[Box]:
    """Rows of at least nine letter-like shapes, brighter or darker than their ground."""
    blurred = cv2.blur(gray, (_WINDOW_PX, _WINDOW_PX)).astype(np.int16)
    lines: list[Box] = []
    for sign in (1, -1):
        strokes = (sign * (gray.astype(np.int16) - blurred) > _CONTRAST).astype(np.uint8)
        lines += _rows(_letters(strokes))
    return sorted(lines)


def _letters(strokes: NDArray[np.uint8]) -> NDArray[np.int32]:
    """(letters, 4) left, top, width, height of connected strokes of a letter's shape."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(strokes, connectivity=8)
    left, top, width, height, area = stats[1:].T
    good = (height >= _HEIGHTS_PX[0]) & (height <= _HEIGHTS_PX[1])
    good &= (width >= _ASPECTS[0] * height) & (width <= _ASPECTS[1] * height)
    good &= (area >= _FILLS[0] * width * height) & (area <= _FILLS[1] * width * height)
    letters = np.stack([left, top, width, height], axis=1)[good]
    return np.asarray(letters[np.argsort(letters[:, 0], kind="stable")])


def _rows(letters: NDArray[np.int32]) -> list[Box]:
    """Letters joined to the next one of their row, rows of enough of them."""
    if len(letters) < _MIN_LETTERS:
        return []
    left, top, width, height = letters.T
    middle = top + height / 2
    rows, used = [], np.zeros(len(letters), bool)
    for first in range(len(letters)):
        if used[first]:
            continue
        row, last = [first], first
        while True:
            gap = left - (left[last] + width[last])
            tall = np.maximum(height, height[last])
            near = (gap >= -0.2 * tall) & (gap <= _GAP * tall) & (left > left[last]) & ~used
            near &= np.abs(height - height[last]) <= _ALIKE * tall
            near &= np.abs(middle - middle[last]) <= _LEVEL * tall
            following = np.flatnonzero(near)
            if not len(following):
                break
            last = int(following[0])
            row.append(last)
        if len(row) >= _MIN_LETTERS:
            used[row] = True
            rows.append(_around(letters[row]))
    return rows


def _around(letters: NDArray[np.int32]) -> Box:
    left, top = (int(v) for v in letters[:, :2].min(axis=0))
    right, bottom = (int(v) for v in (letters[:, :2] + letters[:, 2:]).max(axis=0))
    return Box(left, top, right - left, bottom - top)
