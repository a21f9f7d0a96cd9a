"""Noise where a picture is calm: how strong, how coarse, how coloured, and how it goes with light.

Film grain is of middling frequency, strongest in the mid-tones, and its dye layers are only partly
alike. Sensor noise is white, grows with the light, and what cameras leave of it has lost its finest
band. Added grain is the same in every tone. Smoothed and compressed pictures have blocks without any.
"""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np

from studio.curation.material.features.plane import CalmBlocks, Floats, Plane, blurred

_SIGMAS_PX = (0.0, 0.6, 1.2, 2.4)  # edges of three bands, fine to coarse
_BANDS = ("fine", "middle", "coarse")
_CHANNELS = ("luma", "blue", "red")
_RESIDUAL_SIGMA_PX = 2.0
_LAGS = {"1": (0, 1), "2": (0, 2), "3": (0, 3), "diagonal": (1, 1)}
_DARK, _BRIGHT = 85.0, 170.0
_FEWEST_OF_A_TONE = 4
_DEAD_LEVELS = (0.15, 0.6, 1.8)
_FLOOR = 0.02  # levels squared: the rounding to 8 bits leaves about 0.08


def noise(plane: Plane) -> dict[str, float]:
    """Energies are logarithms of levels squared."""
    blocks = plane.calm
    energies = _band_energies(blocks)
    return {
        **_levels(blocks, energies),
        **_by_tone(blocks, energies),
        **_between_colours(blocks),
        **_grain_shape(blocks),
        **_dead(plane),
    }


def _band_energies(blocks: CalmBlocks) -> Floats:
    """(bands, blocks, channels): mean square of each band in luma and both colour differences."""
    colour = cv2.cvtColor(blocks.strip / 255, cv2.COLOR_RGB2YCrCb)[..., (0, 2, 1)] * np.float32(255)
    scales = [colour, *(blurred(colour, sigma) for sigma in _SIGMAS_PX[1:])]
    bands = [blocks.inner((a - b) ** 2) for a, b in pairwise(scales)]
    return np.stack([band.mean(axis=(1, 2)) for band in bands])


def _levels(blocks: CalmBlocks, energies: Floats) -> dict[str, float]:
    found = {}
    for name, band in zip(_BANDS, energies[:, blocks.flattest], strict=True):
        for channel, energy in zip(_CHANNELS, band.T, strict=True):
            found[f"noise_{channel}_{name}"] = _level(energy)
        low, high = np.quantile(band[:, 0], (0.2, 0.8))
        found[f"noise_spread_{name}"] = float(np.log((high + _FLOOR) / (low + _FLOOR)))
    return found


def _by_tone(blocks: CalmBlocks, energies: Floats) -> dict[str, float]:
    """Noise of dark and of bright blocks against the mid-tones; 0 where there are none to compare."""
    light = blocks.brightness
    mid = (light >= _DARK) & (light <= _BRIGHT)
    found = {}
    for name, band in zip(_BANDS[:2], energies[:2, :, 0], strict=True):
        for tone, where in (("dark", light < _DARK), ("bright", light > _BRIGHT)):
            both = min(where.sum(), mid.sum()) >= _FEWEST_OF_A_TONE
            found[f"noise_{tone}_{name}"] = _level(band[where]) - _level(band[mid]) if both else 0.0
    return found


def _between_colours(blocks: CalmBlocks) -> dict[str, float]:
    """Correlation of the residuals of red, green and blue in the flattest blocks."""
    residual = blocks.strip - blurred(blocks.strip, _RESIDUAL_SIGMA_PX)
    values = blocks.inner(residual)[blocks.flattest].reshape(-1, 3)
    products = values.T @ values / len(values)
    scale = np.sqrt(np.diag(products) + _FLOOR)
    correlation = products / np.outer(scale, scale)
    pairs = {"red_green": (0, 1), "green_blue": (1, 2), "red_blue": (0, 2)}
    return {f"noise_{name}": float(correlation[pair]) for name, pair in pairs.items()}


def _grain_shape(blocks: CalmBlocks) -> dict[str, float]:
    """Autocorrelation of luma at short lags, along rows and columns; kurtosis within blocks."""
    luma = cv2.transform(blocks.strip, np.array([[0.299, 0.587, 0.114]], np.float32))
    residual = luma - blurred(luma, _RESIDUAL_SIGMA_PX)
    wide = blocks.inner(residual, extra_px=3)[blocks.flattest]
    core = wide[:, 3:-3, 3:-3]
    power = float((core**2).mean()) + _FLOOR
    found = {}
    for name, (down, right) in _LAGS.items():
        along, across = (
            float((core * _moved(wide, *lag)).mean()) / power
            for lag in ((down, right), (right, down))
        )
        found[f"noise_lag_{name}"] = (along + across) / 2
        if down == 0:
            found[f"noise_lag_{name}_turned"] = along - across
    square = core**2
    kurtosis = (square**2).mean(axis=(1, 2)) / (square.mean(axis=(1, 2)) ** 2 + _FLOOR)
    found["noise_kurtosis"] = float(np.log(np.median(kurtosis) + 0.1))
    return found


def _moved(wide: Floats, down: int, right: int) -> Floats:
    last = wide.shape[1] - 3
    return wide[:, 3 + down : last + down, 3 + right : last + right]


def _dead(plane: Plane) -> dict[str, float]:
    """Shares of all blocks whose neighbouring pixels differ by less than so many levels."""
    side = plane.block_px
    rows, columns = (length // side for length in plane.rgb.shape[:2])
    whole = plane.rgb[: rows * side : 2, : columns * side]
    steps = cv2.absdiff(whole[:, 1:], whole[:, :-1]).astype(np.float32)
    steps = cv2.copyMakeBorder(steps, 0, 0, 0, 1, cv2.BORDER_REPLICATE)
    mean = cv2.resize(steps, (columns, rows), interpolation=cv2.INTER_AREA)
    found = {f"dead_{level:g}": float((mean[..., 1] < level).mean()) for level in _DEAD_LEVELS}
    found["dead_colour"] = float((mean < _DEAD_LEVELS[0]).all(axis=2).mean())
    return found


def _level(energies: Floats) -> float:
    return float(np.log(np.median(energies) + _FLOOR))
