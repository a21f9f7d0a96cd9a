"""Whether one picture is a part of another: found by sliding it over the other at every size."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from studio.curation.checks.sketch import MIN_AREA, SIDE_PX, Sketch, unit

_AREAS = np.linspace(MIN_AREA, 1, 16)
_STRIDE = 4  # sizes that are tried first: most candidates are none, and this shows it
_HOPEFUL = 0.5  # correlation at a size that is only nearly right
_FINE, _COARSE = 1.0, 3.0  # px of blur: what lies between is the drawing, without light and noise


_Found = tuple[float, tuple[int, int, int, int]]
"""Correlation and box: left, top, width, height in pixels of the whole's gray."""


class Place(NamedTuple):
    """Where a picture lies in another, and how well it fits.

    Attributes:
        correlation: of brightness, of colours and of the drawing, whichever is least.
        area: share of the other that it covers.
        box: left, top, width, height as shares of the other's sides.
    """

    correlation: float
    area: float
    box: tuple[float, float, float, float]


def place_in(part: Sketch, whole: Sketch) -> Place | None:
    """The best place of ``part`` in ``whole``; None where it fits nowhere."""
    first, others = _AREAS[::_STRIDE], np.delete(_AREAS, slice(None, None, _STRIDE))
    found = _all_placed(part, whole, first)
    if not found or max(found)[0] < _HOPEFUL:
        return None
    correlation, box = max(found + _all_placed(part, whole, others))
    left, top, width, height = box
    correlation = min(correlation, _drawing(part, whole, box), _colours(part, whole, box))
    rows, columns = whole.gray.shape
    shares = (left / columns, top / rows, width / columns, height / rows)
    return Place(correlation, shares[2] * shares[3], shares)


def _all_placed(part: Sketch, whole: Sketch, areas: NDArray[np.float64]) -> list[_Found]:
    places = [_placed(part, whole, float(area)) for area in areas]
    return [place for place in places if place]


def _placed(part: Sketch, whole: Sketch, area: float) -> _Found | None:
    """The best place at one size."""
    rows, columns = whole.gray.shape
    aspect = part.gray.shape[1] / part.gray.shape[0]
    width = round(np.sqrt(area * rows * columns * aspect))
    height = round(width / aspect)
    if width > columns or height > rows or min(width, height) < 8:
        return None
    small = cv2.resize(part.gray, (width, height), interpolation=cv2.INTER_AREA)
    if np.ptp(small) == 0:
        return None
    fits = cv2.matchTemplate(whole.gray, small, cv2.TM_CCOEFF_NORMED)
    _, best, _, (left, top) = cv2.minMaxLoc(fits)
    return float(best), (left, top, width, height)


def _drawing(part: Sketch, whole: Sketch, box: tuple[int, int, int, int]) -> float:
    left, top, width, height = box
    under = whole.gray[top : top + height, left : left + width]
    small = cv2.resize(part.gray, (width, height), interpolation=cv2.INTER_AREA)
    return float((_lines(under) * _lines(small)).sum())


def _lines(gray: NDArray[np.uint8]) -> NDArray[np.float32]:
    levels = gray.astype(np.float32)
    fine, coarse = (cv2.GaussianBlur(levels, (0, 0), sigma) for sigma in (_FINE, _COARSE))
    return unit(fine - coarse)


def _colours(part: Sketch, whole: Sketch, box: tuple[int, int, int, int]) -> float:
    rows, columns = whole.gray.shape
    left, width = (round(value * SIDE_PX / columns) for value in (box[0], box[2]))
    top, height = (round(value * SIDE_PX / rows) for value in (box[1], box[3]))
    under = whole.levels[top : top + height, left : left + width]
    small = cv2.resize(part.levels, under.shape[1::-1], interpolation=cv2.INTER_AREA)
    return float((unit(under.astype(np.float32)) * unit(small.astype(np.float32))).sum())
