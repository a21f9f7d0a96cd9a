"""Text in a picture, and a mark in the same corner of many: the adapter would learn to write."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from studio.curation.checks.check import SetCheck, SetFindings
from studio.curation.checks.crop import crop_of
from studio.curation.checks.packing import pack_bytes, unpack_bytes
from studio.curation.checks.text_zones import Box, text_lines
from studio.curation.manifest import Finding
from studio.curation.view import Measurement, Pixels, View

_ZONE = (32, 48)  # rows, columns of cells
_ZONES = ("top left", "top right", "bottom left", "bottom right", "middle")
_ZONE_SHARE = (0.25, 0.375)  # of the height and the width
_BITS = len(_ZONES) * _ZONE[0] * _ZONE[1]
_EDGE_LEVELS = 24
_MIN_PICTURES = 12
_MIN_SHARE = 0.15  # of the pictures with the mark
_TIMES_USUAL = 3.0  # how much oftener than elsewhere in the zone
_MIN_CELLS = 14
_MAX_CELLS = 0.4  # of the zone: more is a composition, not a mark
_MATCH = 0.7  # of the mark's cells, in a picture that has it


class Text(SetCheck):
    """Score: lines of text found in the picture. Remarks only: a shop sign may be meant.

    Marks are looked for in the corners and the middle: edges that stand in one place in many
    pictures while all around them vary.
    """

    name = "text"

    def measure(self, pixels: Pixels) -> Measurement:
        """Number of text lines, box of the longest as shares of the sides, then the zones' edges."""
        gray = np.asarray(pixels.at_training_size.convert("L"))
        lines = text_lines(gray)
        longest = max(lines, key=lambda box: box.width, default=Box(0, 0, 0, 0))
        height, width = gray.shape
        box = np.array(longest) / (width, height, width, height)
        edges = _zone_edges(np.asarray(pixels.thumbnail.convert("L")))
        return np.concatenate([[len(lines)], box, pack_bytes(np.packbits(edges))]).astype(
            np.float32
        )

    def examine(self, views: Sequence[View]) -> SetFindings:
        numbers = {view.name: view.measurements[self.name] for view in views}
        of_pictures = {
            view.name: self._lines(view, numbers[view.name])
            for view in views
            if numbers[view.name][0] > 0
        }
        of_set = self._marks(list(views), numbers)
        return SetFindings(of_pictures, of_set, {n: float(m[0]) for n, m in numbers.items()})

    def _lines(self, view: View, measured: Measurement) -> Finding:
        size = (view.width_px, view.height_px)
        box = measured[1:5] * np.array([*size, *size])
        count = int(measured[0])
        message = (
            f"seems to have {'a line' if count == 1 else f'{count} lines'} of text on it; "
            "paint it out, or name it in the caption"
        )
        return self.finding("info", count, 0, message, crop=crop_of(box, size))

    def _marks(self, views: Sequence[View], numbers: dict[str, Measurement]) -> tuple[Finding, ...]:
        if len(views) < _MIN_PICTURES:
            return ()
        edges = np.stack([_unpacked(numbers[view.name]) for view in views])
        found = [self._mark(views, edges[:, z], _ZONES[z]) for z in range(len(_ZONES))]
        return tuple(finding for finding in found if finding)

    def _mark(self, views: Sequence[View], edges: NDArray[np.bool_], zone: str) -> Finding | None:
        """``edges`` (pictures, cells) of one zone."""
        marked = marked_pictures(edges)
        if not len(marked):
            return None
        names = [views[i].name for i in marked]
        message = (
            f"{len(names)} of {len(views)} pictures have the same mark at the {zone} (a watermark, "
            "a logo or a date?); remove it, or the adapter learns it"
        )
        return self.finding("info", len(names) / len(views), _MIN_SHARE, message, pictures=names)


def marked_pictures(edges: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Which pictures share a mark; empty where none do.

    Args:
        edges: (pictures, cells).
    """
    often = edges.mean(axis=0)
    mark = often >= max(_MIN_SHARE, _TIMES_USUAL * float(np.median(often)))
    if not _MIN_CELLS <= mark.sum() <= _MAX_CELLS * mark.size:
        return np.zeros(0, np.intp)
    marked = np.flatnonzero(edges[:, mark].mean(axis=1) >= _MATCH)
    enough = len(marked) >= max(_MIN_PICTURES / 3, _MIN_SHARE * len(edges))
    return marked if enough else np.zeros(0, np.intp)


def _unpacked(measured: Measurement) -> NDArray[np.bool_]:
    bits = np.unpackbits(unpack_bytes(measured[5:], _BITS // 8)).astype(bool)
    return bits.reshape(len(_ZONES), -1)


def _zone_edges(gray: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(zones, rows * columns) whether a cell holds an edge."""
    change = cv2.morphologyEx(gray, cv2.MORPH_GRADIENT, np.ones((2, 2), np.uint8))
    sizes = zip(_ZONE_SHARE, gray.shape, strict=True)
    height, width = (max(1, round(share * side)) for share, side in sizes)
    bottom, right = gray.shape[0] - height, gray.shape[1] - width
    places = [(0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2)]
    zones = [change[top : top + height, left : left + width] for top, left in places]
    cells = [cv2.resize(zone, _ZONE[::-1], interpolation=cv2.INTER_AREA) for zone in zones]
    return np.stack([(cell > _EDGE_LEVELS).ravel() for cell in cells])
