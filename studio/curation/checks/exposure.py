"""Pictures that are too dark or too bright throughout."""

from __future__ import annotations

import numpy as np

from studio.curation.checks.check import PictureCheck
from studio.curation.checks.drawn import is_drawn
from studio.curation.manifest import Finding
from studio.curation.view import Measurement, Pixels, View

_PERCENTILES = (5, 95)  # a lamp in the night, a tree in the snow say nothing of the exposure


class Exposure(PictureCheck):
    """Score: middle between the darkest and the brightest tone, 0 black to 255 white.

    Both without the outermost 5% of the pixels. Drawings are not judged: their ground may be of any
    tone.
    """

    name = "exposure"

    def __init__(self, darkest: float, brightest: float) -> None:
        self.darkest = darkest
        self.brightest = brightest

    def measure(self, pixels: Pixels) -> Measurement:
        """Levels of the 5th and the 95th percentile, 1 for a drawing."""
        gray = np.asarray(pixels.thumbnail.convert("L"))
        return np.array([*np.percentile(gray, _PERCENTILES), is_drawn(pixels)], np.float32)

    def score(self, view: View) -> float:
        dark, bright, _ = view.measurements[self.name]
        return float(dark + bright) / 2

    def examine(self, view: View) -> Finding | None:
        middle = self.score(view)
        dark, bright, drawn = view.measurements[self.name]
        if drawn or self.darkest <= middle <= self.brightest:
            return None
        if middle < self.darkest:
            message = (
                f"is very dark: 95% of it is below tone {bright:.0f} of 255; lift the exposure, "
                "unless night is what you teach"
            )
            return self.finding("warn", middle, self.darkest, message)
        message = (
            f"is very bright: 95% of it is above tone {dark:.0f} of 255; darken it, unless high "
            "key is what you teach"
        )
        return self.finding("warn", middle, self.brightest, message)
