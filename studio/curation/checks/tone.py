"""Pictures whose colours or light stand out of the set. A remark: a warm picture is no other material."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from studio.curation.checks.check import SetCheck, SetFindings
from studio.curation.view import Measurement, Pixels, View

# CIE L*a*b* medians and range, with the least spread that counts: below it nobody sees a difference.
_WORDS = (
    ("brighter", "darker", 8.0),
    ("redder", "greener", 4.0),
    ("warmer", "cooler", 5.0),
    ("of more contrast", "flatter", 10.0),
)
_FEWEST_PICTURES = 8
_DEVIATIONS_OF_MAD = 1.4826


class Tone(SetCheck):
    """Score: how many robust deviations a picture stands from the set's median, in its worst tone."""

    name = "tone"

    def __init__(self, max_deviations: float) -> None:
        self.max_deviations = max_deviations

    def measure(self, pixels: Pixels) -> Measurement:
        """Medians of L*, a*, b*; the range of L* between its 5th and 95th hundredth."""
        rgb = np.asarray(pixels.thumbnail, np.float32) / 255
        lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB).reshape(-1, 3)
        low, high = np.quantile(lab[:, 0], (0.05, 0.95))
        return np.array([*np.median(lab, axis=0), high - low], np.float32)

    def examine(self, views: Sequence[View]) -> SetFindings:
        if len(views) < _FEWEST_PICTURES:
            return SetFindings({})
        tones = np.stack([view.measurements[self.name] for view in views])
        away = tones - np.median(tones, axis=0)
        spread = _DEVIATIONS_OF_MAD * np.median(np.abs(away), axis=0)
        away /= np.maximum(spread, [least for *_, least in _WORDS])
        scores = np.abs(away).max(axis=1)
        found = {}
        for view, row, score in zip(views, away, scores, strict=True):
            if score > self.max_deviations:
                more, less, _ = _WORDS[int(np.abs(row).argmax())]
                word = more if row[np.abs(row).argmax()] > 0 else less
                message = f"is much {word} than the rest of the set ({score:.1f} deviations)"
                found[view.name] = self.finding("info", score, self.max_deviations, message)
        return SetFindings(
            found, (), {v.name: float(s) for v, s in zip(views, scores, strict=True)}
        )
