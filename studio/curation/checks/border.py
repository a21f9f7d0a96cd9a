"""Bars and frames round a picture: the adapter would learn to draw them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from studio.curation.checks.check import PictureCheck
from studio.curation.checks.crop import crop_around
from studio.curation.checks.drawn import is_drawn
from studio.curation.manifest import Finding
from studio.curation.view import Measurement, Pixels, View

_SAME_LEVELS = 10  # of 255: what compression does to one colour
_SAME_SHARE = 0.98  # of a line's pixels
_EDGE_LEVELS = 14
_EDGE_SHARE = 0.85  # of a side, where the picture stands off from the bar at once
_PAIR_SHARE = 0.6  # likewise, where the bar across is as wide: dark scenes have weak edges
_LONGEST = 0.45  # of the picture: two bars leave a tenth of it
_SIDES = ("left", "top", "right", "bottom")


class Border(PictureCheck):
    """Score: share of the area that bars and frames of one colour take, 0 to 1.

    A bar ends in a straight edge along the whole side. A plain background does not: what stands on
    it touches the side in a few places. Flat drawings are not judged: a drawn box on paper looks the
    same as a framed picture.
    """

    name = "border"

    def __init__(self, max_share: float) -> None:
        self.max_share = max_share

    def measure(self, pixels: Pixels) -> Measurement:
        """Widths of the bars as shares of the picture's width or height: left, top, right, bottom."""
        if is_drawn(pixels):
            return np.zeros(4, np.float32)
        levels = np.asarray(pixels.thumbnail)
        height, width = levels.shape[:2]
        return (np.array(bars(levels)) / (width, height, width, height)).astype(np.float32)

    def score(self, view: View) -> float:
        left, top, right, bottom = view.measurements[self.name]
        return float(1 - (1 - left - right) * (1 - top - bottom))

    def examine(self, view: View) -> Finding | None:
        share = self.score(view)
        if share <= self.max_share:
            return None
        widths = view.measurements[self.name]
        size = (view.width_px, view.height_px)
        sides = [side for side, bar in zip(_SIDES, widths, strict=True) if bar > 0]
        message = (
            f"has bars or a frame ({', '.join(sides)}) that take {share:.0%} of it; "
            "crop them away, or the adapter draws them too"
        )
        return self.finding(
            "warn", share, self.max_share, message, crop=_on_the_edge(widths, size), sides=sides
        )


def bars(levels: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Lines of the bars at left, top, right and bottom; 0 where there is none.

    Args:
        levels: (height, width, 3).
    """
    across = levels.swapaxes(0, 1)
    from_sides = (across, levels, across[::-1], levels[::-1])
    widths = [_constant_lines(lines) for lines in from_sides]
    # Along a bar, the corners belong to the bars beside it: but only to what proved to be bars.
    for _ in range(2):
        edges = [_edge(from_sides[i], widths[i], *_between(widths, i, levels)) for i in range(4)]
        least = [_least_edge(widths[i], widths[i - 2]) for i in range(4)]
        widths = [widths[i] if edges[i] >= least[i] else 0 for i in range(4)]
    left, top, right, bottom = widths
    return left, top, right, bottom


def _constant_lines(lines: NDArray[np.uint8]) -> int:
    """How many lines, from the first of (lines, pixels, 3), are of the first one's colour."""
    colour = _colour(lines)
    if not _same(_off(lines[:1], colour))[0]:
        return 0
    same = _same(_off(lines[: int(len(lines) * _LONGEST) + 2], colour))
    width = len(same) if same.all() else int(same.argmin())
    return width if width + 1 < len(same) else 0


def _between(widths: list[int], side: int, levels: NDArray[np.uint8]) -> tuple[int, int]:
    """Where along a side the picture begins and ends: after the bars of the two other sides."""
    length = levels.shape[1 if side % 2 else 0]
    before, after = (widths[0], widths[2]) if side % 2 else (widths[1], widths[3])
    return before, length - after


def _edge(lines: NDArray[np.uint8], width: int, start: int, stop: int) -> float:
    """Share of the bar's inner side along which the picture differs from it at once, 0 to 1."""
    if width == 0 or start >= stop:
        return 0.0
    # The line where the bar ends may be half of it: what counts is reached by the next one.
    off = _off(lines[width : width + 2, start:stop], _colour(lines)).max(axis=0)
    return float((off > _EDGE_LEVELS).mean())


def _least_edge(width: int, across: int) -> float:
    """A bar as wide as the one across is more likely one: dark scenes have weak edges."""
    alike = abs(width - across) <= max(1, 0.1 * max(width, across))
    return _PAIR_SHARE if alike else _EDGE_SHARE


def _colour(lines: NDArray[np.uint8]) -> NDArray[np.int16]:
    return np.asarray(np.median(lines[0], axis=0).astype(np.int16))


def _off(lines: NDArray[np.uint8], colour: NDArray[np.int16]) -> NDArray[np.int16]:
    """(lines, pixels) how far each pixel is from the colour, in levels."""
    return np.asarray(np.abs(lines.astype(np.int16) - colour).max(axis=2))


def _same(off: NDArray[np.int16]) -> NDArray[np.bool_]:
    return np.asarray((off <= _SAME_LEVELS).mean(axis=1) >= _SAME_SHARE)


def _on_the_edge(widths: Measurement, size: tuple[int, int]) -> str:
    """A window on the inner edge of the widest bar."""
    side = int(widths.argmax())
    x, y = size[0] / 2, size[1] / 2
    if side % 2 == 0:
        x = size[0] * (widths[0] if side == 0 else 1 - widths[2])
    else:
        y = size[1] * (widths[1] if side == 1 else 1 - widths[3])
    return crop_around((x, y), size)
