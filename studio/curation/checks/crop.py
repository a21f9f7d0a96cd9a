"""The telling part of a picture, as findings carry it: ``crop="left,top,width,height"``."""

from __future__ import annotations

from collections.abc import Sequence

SHOWN_PX = 192  # large enough to recognise the place, small enough for a phone at 1:1


def crop_around(centre: Sequence[float], size_px: tuple[int, int]) -> str:
    """A window of at most 192 px around a point of a picture of ``size_px``, moved inside of it."""
    width, height = (min(SHOWN_PX, side) for side in size_px)
    left = min(max(0, round(float(centre[0]) - width / 2)), size_px[0] - width)
    top = min(max(0, round(float(centre[1]) - height / 2)), size_px[1] - height)
    return f"{left},{top},{width},{height}"


def crop_of(box: Sequence[float], size_px: tuple[int, int]) -> str:
    """The box (left, top, width, height), rounded and kept inside the picture."""
    left, top = (min(max(0, round(float(box[i]))), size_px[i] - 1) for i in (0, 1))
    width, height = (
        min(max(1, round(float(box[2 + i]))), size_px[i] - (left, top)[i]) for i in (0, 1)
    )
    return f"{left},{top},{width},{height}"
