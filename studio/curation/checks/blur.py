"""Pictures out of focus or shaken, told by the width of their sharpest edges.

An edge blurred by a Gaussian of width s has, seen at scale σ, the gradient A / sqrt(2π(σ² + s²)).
The ratio of two scales gives s whatever the contrast A, as in Elder and Zucker's local scale
control (1998). Unlike the variance of the Laplacian this does not take a calm picture for a blurred
one: sky, fog and flat colour have few edges or faint ones, and those are not judged at all.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from studio.curation.checks.check import SetCheck, SetFindings
from studio.curation.checks.crop import crop_around
from studio.curation.manifest import Finding
from studio.curation.view import Measurement, Pixels, View

_FINE, _COARSE = 1.0, 2.0  # σ in pixels at training size
_EDGE_SHARE = 0.02  # of all pixels, those with the steepest coarse gradient
_SHARPER_QUARTER = 0.75  # a portrait before a soft background is a sharp picture
_CELL_PX = 16
_MIN_CONTRAST = 40.0  # of 255 levels: fog has no edge as strong as that
_TIMES_MEDIAN = 2.0  # a set that is soft throughout is a style, not fifty mistakes


class Blur(SetCheck):
    """Score: width s of the sharpest edges, in pixels at training size (0 sharp, 0.5 to 1 usual).

    Warns where s is above the limit and above twice the set's median; if the median itself is above
    the limit, the set as a whole is remarked on.
    """

    name = "blur"
    measured_since = 2

    def __init__(self, max_edge_px: float) -> None:
        self.max_edge_px = max_edge_px

    def measure(self, pixels: Pixels) -> Measurement:
        """Width of the sharpest edges, then their middle as shares of width and height."""
        gray = np.asarray(pixels.at_training_size.convert("L"), dtype=np.float32)
        return np.array([edge_width_px(gray), *_steepest_place(gray)], np.float32)

    def examine(self, views: Sequence[View]) -> SetFindings:
        widths = {view.name: float(view.measurements[self.name][0]) for view in views}
        widths = {name: width for name, width in widths.items() if np.isfinite(width)}
        by_name = {view.name: view for view in views}
        if not widths:
            return SetFindings({})
        median = float(np.median(list(widths.values())))
        limit = max(self.max_edge_px, _TIMES_MEDIAN * median)
        blurred = {n: self._blurred(by_name[n], w, limit) for n, w in widths.items() if w > limit}
        scores = {name: round(width, 4) for name, width in widths.items()}
        return SetFindings(blurred, self._soft_set(median), scores)

    def _blurred(self, view: View, width: float, limit: float) -> Finding:
        message = (
            f"looks blurred: its sharpest edges are {width:.1f} px wide at training size; "
            "the adapter learns softness from it"
        )
        size = (view.width_px, view.height_px)
        crop = crop_around(view.measurements[self.name][1:] * np.array(size), size)
        return self.finding("warn", width, limit, message, crop=crop)

    def _soft_set(self, median: float) -> tuple[Finding, ...]:
        if median <= self.max_edge_px:
            return ()
        message = (
            f"most pictures are soft (edges {median:.1f} px wide at training size); "
            "expect soft results, or train at a lower resolution"
        )
        return (self.finding("warn", median, self.max_edge_px, message),)


def edge_width_px(gray: NDArray[np.float32]) -> float:
    """Gaussian width in pixels of the sharpest strong edges; NaN where no edge is strong enough.

    Args:
        gray: (height, width), levels 0 to 255.
    """
    fine, coarse = _gradient(gray, _FINE), _gradient(gray, _COARSE)
    steepest = coarse >= max(float(np.quantile(coarse, 1 - _EDGE_SHARE)), 1e-3)
    if not steepest.any():
        return float("nan")
    ratio = float(np.quantile(fine[steepest] / coarse[steepest], _SHARPER_QUARTER)) ** 2
    widest = 8 * _COARSE**2
    if ratio <= 1:
        variance = widest
    else:
        variance = min(max((_COARSE**2 - ratio * _FINE**2) / (ratio - 1), 0.0), widest)
    contrast = float(np.median(coarse[steepest])) * np.sqrt(2 * np.pi * (_COARSE**2 + variance))
    return float(np.sqrt(variance)) if contrast >= _MIN_CONTRAST else float("nan")


def _gradient(gray: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """(height, width) steepness of the picture blurred by a Gaussian of ``sigma`` pixels."""
    reach = int(4 * sigma + 0.5)
    x = np.arange(-reach, reach + 1)
    smooth = np.exp(-(x**2) / (2 * sigma**2))
    smooth /= smooth.sum()
    slope = -x / sigma**2 * smooth
    across = cv2.sepFilter2D(gray, cv2.CV_32F, slope, smooth, borderType=cv2.BORDER_REFLECT)
    down = cv2.sepFilter2D(gray, cv2.CV_32F, smooth, slope, borderType=cv2.BORDER_REFLECT)
    return np.asarray(cv2.magnitude(across, down))


def _steepest_place(gray: NDArray[np.float32]) -> tuple[float, float]:
    """Where the picture changes most over a few pixels: the best of its edges to judge it by."""
    rows, columns = (max(1, side // _CELL_PX) for side in gray.shape)
    cells = gray[: rows * _CELL_PX, : columns * _CELL_PX]
    if min(gray.shape) < _CELL_PX:
        return 0.5, 0.5
    spread = cells.reshape(rows, _CELL_PX, columns, _CELL_PX).std(axis=(1, 3))
    row, column = np.unravel_index(int(spread.argmax()), spread.shape)
    return (float(column) + 0.5) / columns, (float(row) + 0.5) / rows
