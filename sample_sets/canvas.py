"""Outlined cartoon shapes on pixels: a pen with its own coordinates, drawn large and reduced."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

RGB = tuple[int, int, int]
Point = tuple[float, float]
Points = NDArray[np.float64]  # (count, 2)

OVERSAMPLING = 8
SAMPLES = 96  # points on a curve; past this the reduced picture no longer changes


@dataclass(frozen=True)
class Pen:
    """Draws in its own coordinates: x to the right, y down, moved, turned and scaled by ``at``."""

    picture: Image.Image
    outline: RGB
    outline_width: float = 2.4
    matrix: tuple[float, float, float, float] = (OVERSAMPLING, 0.0, 0.0, OVERSAMPLING)
    offset: Point = (0.0, 0.0)

    @classmethod
    def on(cls, background: RGB, side_px: int, outline: RGB) -> Pen:
        """A pen on a new plain picture, in pixels of the finished picture."""
        side = side_px * OVERSAMPLING
        return cls(Image.new("RGB", (side, side), background), outline)

    def at(self, x: float, y: float, degrees: float = 0.0, scale: float = 1.0) -> Pen:
        """A pen whose origin lies at (x, y) of this one, turned clockwise and scaled."""
        a, b, c, d = self.matrix
        cos, sin = (scale * f(math.radians(degrees)) for f in (math.cos, math.sin))
        turned = (a * cos + b * sin, b * cos - a * sin, c * cos + d * sin, d * cos - c * sin)
        offset = (a * x + b * y + self.offset[0], c * x + d * y + self.offset[1])
        return replace(self, matrix=turned, offset=offset)

    def ellipse(
        self, centre: Point, radii: Point, fill: RGB, degrees: float = 0.0, lined: bool = True
    ) -> None:
        angles = np.linspace(0, 2 * np.pi, SAMPLES, endpoint=False)
        unit = np.stack([radii[0] * np.cos(angles), radii[1] * np.sin(angles)], axis=1)
        self.at(*centre, degrees).polygon(unit, fill, lined)

    def blob(self, corners: Sequence[Point], fill: RGB, lined: bool = True) -> None:
        """A closed smooth shape through the corners."""
        self.polygon(_spline(corners, closed=True), fill, lined)

    def polygon(self, corners: Sequence[Point] | Points, fill: RGB, lined: bool = True) -> None:
        points = self._pixels(np.asarray(corners, np.float64))
        ImageDraw.Draw(self.picture).polygon(_flat(points), fill=fill)
        if lined:
            self._trail(np.vstack([points, points[:1]]), self.outline_width / 2, self.outline)

    def line(self, through: Sequence[Point], width: float, fill: RGB) -> None:
        """A smooth line with round ends and no outline."""
        self._trail(self._pixels(_spline(through, closed=False)), width / 2, fill)

    def tube(self, through: Sequence[Point], width: float, fills: Sequence[RGB]) -> None:
        """A smooth outlined limb with round ends; several fills make rings of equal length."""
        self.line(through, width + 2 * self.outline_width, self.outline)
        points = self._pixels(_spline(through, closed=False))
        parts = np.array_split(np.arange(len(points)), len(fills))
        for part, fill in zip(parts, fills, strict=True):
            self._trail(points[part], width / 2, fill)

    def finished(self) -> Image.Image:
        """The picture in its final size."""
        return self.picture.reduce(OVERSAMPLING)

    def _trail(self, points: Points, radius: float, fill: RGB) -> None:
        # Discs along the line: Pillow's wide lines have flat ends and notched joints.
        a, _, c, _ = self.matrix
        reach = radius * math.hypot(a, c)
        draw = ImageDraw.Draw(self.picture)
        for start, end in pairwise(points):
            draw.line(_flat(np.stack([start, end])), fill=fill, width=max(1, round(2 * reach)))
        for x, y in points.tolist():
            draw.ellipse((x - reach, y - reach, x + reach, y + reach), fill=fill)

    def _pixels(self, points: Points) -> Points:
        a, b, c, d = self.matrix
        return np.asarray(points @ np.array([[a, c], [b, d]]) + np.array(self.offset))


def _spline(corners: Sequence[Point], closed: bool) -> Points:
    """A Catmull-Rom curve through the corners, (SAMPLES, 2)."""
    points = np.asarray(corners, np.float64)
    if closed:
        padded = np.vstack([points[-1:], points, points[:2]])
    else:
        padded = np.vstack([2 * points[0] - points[1], points, 2 * points[-1] - points[-2]])
    spans = len(padded) - 3
    position = np.linspace(0, spans, SAMPLES, endpoint=not closed)
    span = np.minimum(position.astype(int), spans - 1)
    t = (position - span)[:, None]
    p0, p1, p2, p3 = (padded[span + i] for i in range(4))
    bend = 2 * p0 - 5 * p1 + 4 * p2 - p3
    cubic = 3 * p1 - 3 * p2 + p3 - p0
    return np.asarray(0.5 * (2 * p1 + (p2 - p0) * t + bend * t**2 + cubic * t**3))


def _flat(points: Points) -> list[float]:
    return [float(value) for value in points.ravel()]
