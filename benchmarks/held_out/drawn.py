"""Drawings after photographs: flat regions with outlines, low-poly, hatching; and mosaics of none."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay
from skimage import color, filters, segmentation

Picture = NDArray[np.uint8]  # (height, width, 3), RGB

_FINE = 2  # what has edges is drawn at twice the size and reduced


def drawing(picture: Picture, rng: np.random.Generator) -> Picture:
    """A drawing after ``picture``; same shape."""
    return _MANNERS[rng.integers(len(_MANNERS))](picture, rng)


def _regions(picture: Picture, rng: np.random.Generator) -> Picture:
    """Flat regions; some with outlines."""
    half = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    if rng.random() < 0.5:
        regions = int(half.shape[0] * half.shape[1] / rng.uniform(300, 2000)) + 2
        labels = segmentation.slic(half, regions, compactness=rng.uniform(5, 20), max_num_iter=4)
    else:
        labels = segmentation.felzenszwalb(half, rng.uniform(80, 400), sigma=1, min_size=40)
    flat = color.label2rgb(labels, half, kind="avg", bg_label=-1).astype(np.uint8)
    outlined = rng.random() < 0.5
    return _outlined(flat, labels, picture, line=outlined)


def _outlined(flat: Picture, labels: NDArray[np.int64], picture: Picture, *, line: bool) -> Picture:
    size = picture.shape[1::-1]
    large = cv2.medianBlur(cv2.resize(flat, size, interpolation=cv2.INTER_NEAREST), 7)
    if line:
        borders = segmentation.find_boundaries(labels, mode="inner").astype(np.uint8) * 255
        ink = cv2.GaussianBlur(
            cv2.resize(borders, size, interpolation=cv2.INTER_LINEAR), (0, 0), 0.8
        )
        large = (large * (1 - (ink / 255)[..., None])).astype(np.uint8)
    return cv2.GaussianBlur(large, (0, 0), 0.6)


def _low_poly(picture: Picture, rng: np.random.Generator) -> Picture:
    """Triangles of one colour each, their corners on edges of the picture."""
    height, width = picture.shape[:2]
    edges = filters.sobel(cv2.GaussianBlur(color.rgb2gray(picture), (0, 0), 2)).ravel() + 1e-3
    places = rng.choice(height * width, int(rng.integers(300, 1500)), p=edges / edges.sum())
    corners = np.array([(0, 0), (width, 0), (0, height), (width, height)])
    points = np.vstack([np.stack([places % width, places // width], 1), corners])
    canvas = np.zeros((height * _FINE, width * _FINE, 3), np.uint8)
    for triangle in points[Delaunay(points).simplices]:
        x, y = np.minimum(triangle.mean(0).astype(int), (width - 1, height - 1))
        cv2.fillConvexPoly(canvas, triangle * _FINE, picture[y, x].tolist())
    return cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)


def _hatched(picture: Picture, rng: np.random.Generator) -> Picture:
    """Pen strokes, crossed where it is darker, on coloured paper."""
    height, width = picture.shape[:2]
    size = (width * _FINE, height * _FINE)
    gray = cv2.resize(cv2.GaussianBlur(color.rgb2gray(picture), (0, 0), 2), size)
    y, x = np.mgrid[: size[1], : size[0]].astype(np.float32)
    paper = np.ones_like(gray)
    for darkness, angle in zip((0.75, 0.5, 0.3), rng.uniform(0, np.pi, 3), strict=True):
        across = x * np.sin(angle) + y * np.cos(angle) + 3 * np.sin(x / 90)
        stroke = np.abs((across / rng.uniform(9, 18)) % 1 - 0.5) * 2
        paper[(gray < darkness) & (stroke > 0.72)] = 0.1
    paper = cv2.resize(paper, (width, height), interpolation=cv2.INTER_AREA)
    return (paper[..., None] * rng.uniform(200, 255, 3)).astype(np.uint8)


def _cells(picture: Picture, rng: np.random.Generator) -> Picture:
    """Not after the picture at all: overlapping smooth-rimmed discs and bands of pure colours."""
    height, width = picture.shape[:2]
    colours = rng.integers(0, 256, (int(rng.integers(4, 9)), 3))
    canvas = np.full((height * _FINE, width * _FINE, 3), colours[0], np.uint8)
    for _ in range(int(rng.integers(10, 80))):
        ink = colours[rng.integers(len(colours))].tolist()
        centre = rng.integers(0, (width * _FINE, height * _FINE)).tolist()
        axes = rng.integers(10, min(height, width) // 2 + 11, 2).tolist()
        thickness = int(rng.choice([-1, -1, 6, 14]))
        cv2.ellipse(canvas, centre, axes, float(rng.uniform(0, 180)), 0, 360, ink, thickness)
    return cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)


_MANNERS: tuple[Callable[[Picture, np.random.Generator], Picture], ...] = (
    _regions,
    _regions,
    _low_poly,
    _hatched,
    _cells,
)
