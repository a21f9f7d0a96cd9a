"""Pictures of 8 bits, their values in floating point, and the light that they stand for."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]  # (height, width, 3), RGB
Values = NDArray[np.float32]  # (height, width, 3) or (height, width), 0 black to 1 white

GAMMA = 2.2
_LIGHT = ((np.arange(256) / 255) ** GAMMA).astype(np.float32)
_LEAST_SIGMA_PX = 0.15  # a Gaussian narrower than that leaves a pixel its neighbours' share < 1e-9
_LUMA_RGB = np.array([[0.299, 0.587, 0.114]], np.float32)


def to_values(picture: Picture) -> Values:
    """As displayed, not linear."""
    return np.multiply(picture, 1 / 255, dtype=np.float32)


def to_picture(values: Values) -> Picture:
    """Rounded to 8 bits; what is darker than black or brighter than white is clipped."""
    return np.clip(values * 255 + 0.5, 0, 255).astype(np.uint8)


def to_light(picture: Picture) -> Values:
    """Linear light."""
    return cv2.LUT(picture, _LIGHT)


def to_display(light: Values) -> Values:
    """Linear light as displayed values; the light is clipped to what can be displayed."""
    return np.power(np.clip(light, 0, 1), np.float32(1 / GAMMA))


def luma(values: Values) -> Values:
    """(height, width, 3) to (height, width)."""
    return cv2.transform(values, _LUMA_RGB)


def blurred(values: Values, sigma_px: float) -> Values:
    """Gaussian blur; the picture is mirrored at its borders."""
    if sigma_px < _LEAST_SIGMA_PX:
        return values
    return cv2.GaussianBlur(values, (0, 0), sigma_px, borderType=cv2.BORDER_REFLECT)


def sharpened(values: Values, amount: float, sigma_px: float) -> Values:
    """Unsharp mask; an amount of 0 leaves the values as they are."""
    if amount == 0:
        return values
    return cv2.addWeighted(values, 1 + amount, blurred(values, sigma_px), -amount, 0)


def vignetted(light: Values, strength: float) -> Values:
    """The corners lose the share ``strength`` of their light, by the cosine-fourth law's shape."""
    height, width = light.shape[:2]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None] ** 2
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :] ** 2
    fall_off = 1 / (1 + (y + x) * (1 / np.sqrt(1 - strength) - 1) / 2) ** 2
    return light * fall_off[..., None].astype(np.float32)
