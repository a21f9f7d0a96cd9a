"""Scans of printed pictures: four inks in dots, each screen at its own angle."""

from __future__ import annotations

import cv2
import numpy as np

from studio.curation.material.make.light import (
    Picture,
    Values,
    blurred,
    luma,
    to_picture,
    to_values,
)

_ANGLES_DEGREES = (15.0, 75.0, 0.0, 45.0)  # cyan, magenta, yellow, black: the usual choice
_INKS_RGB = np.array(
    [[0.0, 0.62, 0.88], [0.88, 0.05, 0.48], [1.0, 0.93, 0.05], [0.1, 0.1, 0.1]], np.float32
)
_BLACK = 3
_OVERSAMPLING = 2


def halftone(picture: Picture, rng: np.random.Generator) -> Picture:
    """``picture`` printed and scanned; same shape. At times black ink alone, as in newspapers."""
    height, width = picture.shape[:2]
    fine = cv2.resize(picture, (width * _OVERSAMPLING, height * _OVERSAMPLING))
    inks = _separated(to_values(fine), gray=rng.random() < 0.2)
    period_px = rng.uniform(2.4, 6.5) * _OVERSAMPLING
    paper = np.float32(rng.uniform(0.88, 1.0) + rng.normal(0, 0.015, 3)).clip(0, 1)
    tilt = rng.uniform(-8, 8)
    planes = [np.full(fine.shape[:2], channel, np.float32) for channel in paper]
    for ink, coverage in inks.items():
        angle = np.deg2rad(_ANGLES_DEGREES[ink] + tilt)
        phases = (rng.uniform(0, 2 * np.pi), rng.uniform(0, 2 * np.pi))
        dots = _screened(coverage, period_px, angle, phases)
        planes = [
            plane * (1 - dots * (1 - reflected))
            for plane, reflected in zip(planes, _INKS_RGB[ink], strict=True)
        ]
    scanned = blurred(cv2.merge(planes), rng.uniform(0.3, 1.3) * _OVERSAMPLING)
    return to_picture(cv2.resize(scanned, (width, height), interpolation=cv2.INTER_AREA))


def _separated(values: Values, *, gray: bool) -> dict[int, Values]:
    """Coverage, 0 to 1, of each ink: gray taken out of the colours into black."""
    if gray:
        return {_BLACK: 1 - luma(values)}
    colours = cv2.split(1 - values)
    black = np.minimum(np.minimum(*colours[:2]), colours[2]) ** 2  # black for dark gray only
    left = np.maximum(1 - black, 1e-3)
    return {ink: (colour - black) / left for ink, colour in enumerate(colours)} | {_BLACK: black}


def _screened(
    coverage: Values, period_px: float, angle: float, phases: tuple[float, float]
) -> Values:
    """Dots, 0 or 1 with soft rims, as large as the coverage asks: a threshold made of waves."""
    height, width = coverage.shape
    step = 2 * np.pi / period_px
    along, across = step * np.cos(angle), step * np.sin(angle)
    wave = _wave(height, width, along, across, phases[0])
    wave += _wave(height, width, -across, along, phases[1])
    return np.clip((coverage - wave / 4 - 0.5) * 8 + 0.5, 0, 1)


def _wave(height: int, width: int, per_x: float, per_y: float, phase: float) -> Values:
    """cos(per_x x + per_y y + phase) as two products of a wave along x and one along y."""
    x = (per_x * np.arange(width)).astype(np.float32)
    y = (per_y * np.arange(height) + phase).astype(np.float32)[:, None]
    return np.cos(y) * np.cos(x) - np.sin(y) * np.sin(x)
