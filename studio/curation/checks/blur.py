"""Pictures out of focus or shaken, told by the width of their sharpest edges.

An edge blurred by a Gaussian of width s has, seen at scale σ, the gradient A / sqrt(2π(σ² + s²)).
The ratio of two scales gives s whatever the contrast A, as in Elder and Zucker's local scale
control (1998). Unlike the variance of the Laplacian this does not take a calm picture for a blurred
one: sky, fog and flat colour have few edges or faint ones, and those are not judged at all.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_gradient_magnitude  # type: ignore[attr-defined]

from studio.curation.checks.check import SetCheck, SetFindings
from studio.curation.manifest import Finding
from studio.curation.view import Measurement, Pixels, View

_FINE, _COARSE = 1.0, 2.0  # σ in pixels at training size
_EDGE_SHARE = 0.02  # of all pixels, those with the steepest coarse gradient
_SHARPER_QUARTER = 0.75  # a portrait before a soft background is a sharp picture
_MIN_CONTRAST = 40.0  # of 255 levels: fog has no edge as strong as that
_TIMES_MEDIAN = 2.0  # a set that is soft throughout is a style, not fifty mistakes


class Blur(SetCheck):
    """Score: width s of the sharpest edges, in pixels at training size (0 sharp, 0.5 to 1 usual).

    Warns where s is above the limit and above twice the set's median; if the median itself is above
    the limit, the set as a whole is remarked on.
    """

    name = "blur"

    def __init__(self, max_edge_px: float) -> None:
        self.max_edge_px = max_edge_px

    def measure(self, pixels: Pixels) -> Measurement:
        gray = np.asarray(pixels.at_training_size.convert("L"), dtype=np.float32)
        return np.array([edge_width_px(gray)], np.float32)

    def examine(self, views: Sequence[View]) -> SetFindings:
        widths = {view.name: float(view.measurements[self.name][0]) for view in views}
        widths = {name: width for name, width in widths.items() if np.isfinite(width)}
        if not widths:
            return SetFindings({})
        median = float(np.median(list(widths.values())))
        limit = max(self.max_edge_px, _TIMES_MEDIAN * median)
        blurred = {n: self._blurred(w, limit) for n, w in widths.items() if w > limit}
        return SetFindings(blurred, self._soft_set(median))

    def _blurred(self, width: float, limit: float) -> Finding:
        message = (
            f"looks blurred: its sharpest edges are {width:.1f} px wide at training size; "
            "the adapter learns softness from it"
        )
        return self.finding("warn", width, limit, message)

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
    fine = gaussian_gradient_magnitude(gray, _FINE)
    coarse = gaussian_gradient_magnitude(gray, _COARSE)
    steepest = coarse >= max(np.quantile(coarse, 1 - _EDGE_SHARE), 1e-3)
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
