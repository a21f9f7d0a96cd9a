"""Photographs redrawn: flat colours, ink lines, watercolour, pencil; and scenes that no lens saw."""

from __future__ import annotations

from collections.abc import Callable

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
from studio.curation.material.make.scene import scene

_SCENE_SHARE = 0.35


def drawing(picture: Picture, rng: np.random.Generator) -> Picture:
    """A drawing after ``picture``, or one of nothing in particular; same shape."""
    if rng.random() < _SCENE_SHARE:
        height, width = picture.shape[:2]
        return scene(height, width, rng)
    draw = _MANNERS[rng.choice(len(_MANNERS), p=_SHARES)]
    return draw(picture, rng)


def _flat(picture: Picture, rng: np.random.Generator) -> Picture:
    """Few colours with smooth outlines, as vector artwork."""
    small = _simplified(picture, rng.uniform(0.3, 0.6), rng)
    labels, palette = _palette(small, int(rng.integers(5, 24)))
    labels = cv2.medianBlur(labels, int(rng.choice([3, 5, 7])))
    return _enlarged(palette[labels], picture)


def _cartoon(picture: Picture, rng: np.random.Generator) -> Picture:
    """Flat colours under ink."""
    flat = to_values(_flat(picture, rng))
    return to_picture(flat * _ink(picture, rng)[..., None])


def _anime(picture: Picture, rng: np.random.Generator) -> Picture:
    """Soft shading in steps of brightness, thin lines, colours raised."""
    smooth = _enlarged(_simplified(picture, rng.uniform(0.4, 0.7), rng), picture)
    hsv = cv2.cvtColor(to_values(smooth), cv2.COLOR_RGB2HSV)
    steps = float(rng.integers(4, 12))
    hsv[..., 2] = np.floor(hsv[..., 2] * steps + 0.5) / steps
    hsv[..., 1] = np.minimum(hsv[..., 1] * np.float32(rng.uniform(1, 1.6)), 1)
    shaded = blurred(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), rng.uniform(0.5, 0.9))
    return to_picture(shaded * _ink(picture, rng)[..., None])


def _line_art(picture: Picture, rng: np.random.Generator) -> Picture:
    """Ink alone on white or tinted paper."""
    paper = np.float32(rng.uniform(0.9, 1.0, 3)) if rng.random() < 0.5 else np.ones(3, np.float32)
    return to_picture(_ink(picture, rng)[..., None] * paper)


def _watercolour(picture: Picture, rng: np.random.Generator) -> Picture:
    painted = cv2.stylization(picture, sigma_s=rng.uniform(20, 80), sigma_r=rng.uniform(0.25, 0.6))
    if rng.random() < 0.5:
        return painted
    return to_picture(to_values(painted) * _paper(picture, rng)[..., None])


def _pencil(picture: Picture, rng: np.random.Generator) -> Picture:
    """Gray or coloured pencil by the division ("dodge") of a picture by its blurred negative."""
    gray = luma(to_values(picture))
    soft = blurred(gray, rng.uniform(3, 12))
    lines = np.minimum(gray / (soft + 0.02), 1) ** np.float32(rng.uniform(1, 4))
    lines = lines * _paper(picture, rng)
    if rng.random() < 0.5:
        return to_picture(np.repeat(lines[..., None], 3, axis=2))
    colour = to_values(_enlarged(_simplified(picture, 0.4, rng), picture))
    share = np.float32(rng.uniform(0.2, 0.6))
    return to_picture(lines[..., None] * (1 - share * (1 - colour)))


def _posterised(picture: Picture, rng: np.random.Generator) -> Picture:
    """Few steps of each colour, as screen prints and old games have."""
    steps = float(rng.integers(3, 8))
    smooth = blurred(to_values(picture), rng.uniform(0.6, 2.5))
    return to_picture(blurred(np.floor(smooth * steps + 0.5) / steps, rng.uniform(0, 0.7)))


def _simplified(picture: Picture, scale: float, rng: np.random.Generator) -> Picture:
    """Reduced, and without texture."""
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    for _ in range(rng.integers(2, 5)):
        small = cv2.bilateralFilter(small, 7, rng.uniform(25, 60), 4)
    return cv2.medianBlur(small, 3)


def _enlarged(small: Picture, picture: Picture) -> Picture:
    """To the size of ``picture``, with edges as sharp as a drawing's."""
    height, width = picture.shape[:2]
    large = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return cv2.medianBlur(large, 5)


def _palette(picture: Picture, colours: int) -> tuple[Picture, Picture]:
    """Labels (height, width), and the (colours, 3) that they stand for."""
    pixels = picture.reshape(-1, 3).astype(np.float32)
    sample = np.ascontiguousarray(pixels[:: max(1, len(pixels) // 4000)])
    ending = (cv2.TERM_CRITERIA_COUNT, 8, 0.0)
    cv2.setRNGSeed(0)  # OpenCV draws its first centres from a state of its own
    _, _, centres = cv2.kmeans(sample, colours, None, ending, 1, cv2.KMEANS_PP_CENTERS)
    distances = (centres**2).sum(1) - 2 * pixels @ centres.T
    labels = distances.argmin(1).reshape(picture.shape[:2]).astype(np.uint8)
    return labels, np.rint(centres).clip(0, 255).astype(np.uint8)


def _ink(picture: Picture, rng: np.random.Generator) -> Values:
    """Lines, 0 ink to 1 paper: a difference of Gaussians through a soft threshold.

    After Winnemöller, Kyprianidis and Olsen, "XDoG" (2012).
    """
    gray = luma(to_values(cv2.medianBlur(picture, 5)))
    sigma_px = rng.uniform(0.8, 1.8)
    edges = blurred(gray, sigma_px) - np.float32(0.97) * blurred(gray, 1.6 * sigma_px)
    threshold = rng.uniform(-0.005, 0.008)
    softness = rng.uniform(60, 250)
    return np.clip(1 + np.tanh(np.float32(softness) * (edges - np.float32(threshold))), 0, 1)


def _paper(picture: Picture, rng: np.random.Generator) -> Values:
    """The tooth of drawing paper: 1 where even."""
    noise = rng.standard_normal(picture.shape[:2], np.float32)
    tooth = blurred(noise, rng.uniform(1, 2.5))
    return 1 + tooth * np.float32(rng.uniform(0.01, 0.05)) / tooth.std()


_MANNERS: tuple[Callable[[Picture, np.random.Generator], Picture], ...] = (
    _flat,
    _cartoon,
    _anime,
    _line_art,
    _watercolour,
    _pencil,
    _posterised,
)
_SHARES = (0.2, 0.2, 0.2, 0.1, 0.1, 0.1, 0.1)
