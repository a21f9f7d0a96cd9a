"""Simulated colour film for known strangers in a set: softness, halation, tone curve, grain.

A simulation good enough to be seen and measured, not a model of any film. Grain is mid-frequency
and strongest in the mid-tones, its three layers only partly alike: what sets it apart from sensor
noise, which is white and grows with the light.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.filters import gaussian

Floats = NDArray[np.float64]  # (height, width, 3) in [0, 1]

GATE_SIGMA_PX = 0.7
HALATION_SIGMA_PX = 4.0
HALATION_THRESHOLD = 0.55
HALATION_RGB = (0.22, 0.06, 0.01)  # light bounced off the film base reaches the red layer first
GRAIN_SIGMAS_PX = (0.6, 1.8)
GRAIN_STRENGTH = 0.04
GRAIN_SHARED = 0.75
TOE_RGB = (0.055, 0.045, 0.05)
SHOULDER_RGB = (0.97, 0.94, 0.85)


def filmed(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """``picture`` as if shot on warm, grainy film; same size, RGB."""
    light = _array(picture) ** 2.2
    soft = _blurred(light, GATE_SIGMA_PX)
    glow = _blurred(np.clip(soft - HALATION_THRESHOLD, 0, None), HALATION_SIGMA_PX)
    exposed = soft + glow.mean(axis=2, keepdims=True) * np.array(HALATION_RGB) * 4
    developed = _tone_curve(np.clip(exposed, 0, 1) ** (1 / 2.2))
    return _image(developed + _grain(developed, rng))


def warmed(picture: Image.Image) -> Image.Image:
    """``picture`` in the film's colours alone: no grain, no glow, no softness."""
    return _image(_tone_curve(_array(picture)))


def _tone_curve(values: Floats) -> Floats:
    s_curve = values + 0.35 * values * (1 - values) * (2 * values - 1)
    toe, shoulder = np.array(TOE_RGB), np.array(SHOULDER_RGB)
    return np.asarray(toe + (shoulder - toe) * s_curve)


def _grain(values: Floats, rng: np.random.Generator) -> Floats:
    height, width, _ = values.shape
    shared = rng.standard_normal((height, width, 1))
    layers = rng.standard_normal(values.shape)
    mixed = GRAIN_SHARED * shared + np.sqrt(1 - GRAIN_SHARED**2) * layers
    fine, coarse = (_blurred(mixed, sigma) for sigma in GRAIN_SIGMAS_PX)
    band = fine - coarse
    density = 0.2 + 3.2 * values * (1 - values)
    return np.asarray(GRAIN_STRENGTH * density * band / band.std())


def _blurred(values: Floats, sigma_px: float) -> Floats:
    blurred = gaussian(  # type: ignore[no-untyped-call]  # scikit-image has no types
        values, sigma_px, mode="reflect", channel_axis=-1
    )
    return np.asarray(blurred)


def _array(picture: Image.Image) -> Floats:
    return np.asarray(picture.convert("RGB"), np.float64) / 255


def _image(values: Floats) -> Image.Image:
    return Image.fromarray(np.rint(255 * np.clip(values, 0, 1)).astype(np.uint8))
