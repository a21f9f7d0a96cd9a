"""Noise reduction overdone: skin like wax, grass like paint."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from studio.curation.material.make.light import (
    Picture,
    Values,
    blurred,
    luma,
    sharpened,
    to_picture,
    to_values,
)


def over_smoothed(picture: Picture, rng: np.random.Generator) -> Picture:
    """``picture`` through one denoiser of any strength, its edges at times sharpened after."""
    smooth = _DENOISERS[rng.choice(len(_DENOISERS), p=_SHARES)]
    result = smooth(picture, rng)
    if rng.random() < 0.35:
        result = to_picture(sharpened(to_values(result), rng.uniform(0.3, 1.2), 1.0))
    return result


def _non_local_means(picture: Picture, rng: np.random.Generator) -> Picture:
    """Brightness by windows far smaller than usual, for time; what remains is as smooth."""
    y, *colours = cv2.split(cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb))
    y = cv2.fastNlMeansDenoising(y, None, rng.uniform(6, 16), 3, 7)
    planes = [y, *(cv2.medianBlur(plane, 5) for plane in colours)]
    return cv2.cvtColor(cv2.merge(planes), cv2.COLOR_YCrCb2RGB)


def _bilateral(picture: Picture, rng: np.random.Generator) -> Picture:
    reach = rng.uniform(18, 60)
    for _ in range(rng.integers(1, 3)):
        picture = cv2.bilateralFilter(picture, 7, reach, rng.uniform(2, 5))
    return picture


def _median(picture: Picture, rng: np.random.Generator) -> Picture:
    return cv2.medianBlur(picture, int(rng.choice([3, 5, 5, 7])))


def _guided(picture: Picture, rng: np.random.Generator) -> Picture:
    """The guided filter of He, Sun and Tang (2010), guided by the picture's own luma."""
    values = to_values(picture)
    guide = luma(values)
    window = (2 * int(rng.integers(2, 7)) + 1,) * 2
    mean = cv2.blur(guide, window)
    variance = cv2.blur(guide * guide, window) - mean * mean
    threshold = np.float32(rng.uniform(0.02, 0.1) ** 2)
    means = cv2.blur(values, window)
    covariance = cv2.blur(values * guide[..., None], window) - means * mean[..., None]
    slope = covariance / (variance + threshold)[..., None]
    offset = cv2.blur(means - slope * mean[..., None], window)
    return to_picture(cv2.blur(slope, window) * guide[..., None] + offset)


def _cored(picture: Picture, rng: np.random.Generator) -> Picture:
    """Small detail taken away at three scales, as a phone's noise reduction does."""
    values = to_values(picture)
    strength = rng.uniform(4, 16) / 255
    details = np.zeros_like(values)
    for scale in range(3):
        base = blurred(values, 0.8 * 2**scale)
        details += _shrunk(values - base, strength / 2**scale)
        values = base
    return to_picture(values + details)


def _shrunk(detail: Values, threshold: float) -> Values:
    return np.sign(detail) * np.maximum(np.abs(detail) - np.float32(threshold), 0)


def _edge_preserving(picture: Picture, rng: np.random.Generator) -> Picture:
    return cv2.edgePreservingFilter(
        picture,
        flags=int(rng.integers(1, 3)),
        sigma_s=rng.uniform(5, 30),
        sigma_r=rng.uniform(0.08, 0.3),
    )


_DENOISERS: tuple[Callable[[Picture, np.random.Generator], Picture], ...] = (
    _non_local_means,
    _bilateral,
    _median,
    _guided,
    _cored,
    _edge_preserving,
)
_SHARES = (0.1, 0.23, 0.12, 0.2, 0.25, 0.1)
