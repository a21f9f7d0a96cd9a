"""Traces of enlargement: a picture holds no more detail than it had before.

Interpolated pixels depend on their neighbours in a way that repeats with the spacing of the
original ones (Gallagher, "Detection of linear and cubic interpolation in JPEG compressed images",
2005; Popescu and Farid, 2005). The second differences' size shows that repetition for odd factors;
for even ones, whose phases mirror each other, their sign against the slope does. Lenses, fog and
blur leave no such trace, however soft they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d  # type: ignore[attr-defined]

from studio.curation.checks.tiles import Tile

_LOWEST = 0.19  # cycles a pixel: below that content itself repeats (windows, fences)
_SMOOTHING_PX = 17
_LARGEST_SIGNED = 20.0  # levels: one strong edge must not outvote the rest
_LINE_STEP = 2  # every other line tells the same in half the time
_JPEG_TIMES = 1.6  # by how much a peak on JPEG's frequencies must exceed the others of those
_EIGHTH = 0.012  # cycles: as near to a multiple of 1/8
_BAND_BELOW, _BAND_ABOVE = (0.5, 0.9), (1.2, 1.8)  # of the cut-off


class Spectra(NamedTuple):
    """Of a set of tiles, along rows and columns together.

    Attributes:
        frequencies: (n,) in cycles a pixel, 0 to 0.5.
        power: (n,) in dB.
        repetition: (n,) strength of periodic interpolation, as a multiple of the usual.
    """

    frequencies: NDArray[np.float64]
    power: NDArray[np.float64]
    repetition: NDArray[np.float64]


def spectra(tiles: Sequence[Tile]) -> Spectra:
    """Power and repetition by frequency. All tiles have one side."""
    side = len(tiles[0].gray)
    window = np.hanning(side - 2)
    power = np.zeros(side // 2)
    sizes, signs = np.zeros((2, side // 2)), np.zeros((2, side // 2))
    for tile in tiles:
        for axis, gray in enumerate((tile.gray, tile.gray.T)):
            levels = gray[::_LINE_STEP].astype(np.float32)
            power += _power(levels)[: side // 2]
            size, sign = _interpolation_traces(levels)
            sizes[axis] += np.abs(np.fft.rfft(size * window))[: side // 2] ** 2
            signs[axis] += np.abs(np.fft.rfft(sign * window))[: side // 2] ** 2
    repetition = np.maximum(_times_usual(sizes), 1.5 * _times_usual(signs))
    frequencies = np.arange(side // 2) / (side - 2)
    return Spectra(frequencies, 10 * np.log10(power / len(tiles) + 1e-3), repetition)


def enlargement(found: Spectra, least_repetition: float, least_drop: float) -> float:
    """The factor by which the picture was enlarged; 1 where nothing shows that it was.

    Args:
        least_repetition: how many times the usual the repetition must reach.
        least_drop: dB by which the power must fall beyond the cut-off.
    """
    peak = _peak(found, least_repetition)
    if peak is None:
        return 1.0
    # A repetition of f cycles comes of a factor of 1 / f or of 1 / (1 - f).
    for factor in (1 / peak, 1 / (1 - peak)):
        if _drop(found, factor) >= least_drop:
            return float(factor)
    return 1.0


def _peak(found: Spectra, least: float) -> float | None:
    usable = found.frequencies >= _LOWEST
    strengths = np.where(usable, found.repetition, 0)
    best = int(strengths.argmax())
    frequency = float(found.frequencies[best])
    if strengths[best] < least:
        return None
    if abs(frequency * 8 - round(frequency * 8)) < 8 * _EIGHTH:
        eighth = np.abs(found.frequencies - 0.375) < _EIGHTH
        if strengths[best] < _JPEG_TIMES * found.repetition[eighth].max():
            return None
    return frequency


def _drop(found: Spectra, factor: float) -> float:
    cut = 0.5 / factor
    below = _mean(found, _BAND_BELOW[0] * cut, _BAND_BELOW[1] * cut)
    above = _mean(found, min(_BAND_ABOVE[0] * cut, 0.42), min(_BAND_ABOVE[1] * cut, 0.5))
    return below - above


def _mean(found: Spectra, low: float, high: float) -> float:
    within = (found.frequencies >= low) & (found.frequencies <= high)
    return float(found.power[within].mean()) if within.any() else 0.0


def _power(levels: NDArray[np.float32]) -> NDArray[np.float64]:
    centred = levels - levels.mean(axis=1, keepdims=True)
    window = np.hanning(levels.shape[1])
    spectrum = np.abs(np.fft.rfft(centred * window, axis=1)) ** 2
    return np.asarray(spectrum.mean(axis=0) / (window**2).sum())


def _interpolation_traces(
    levels: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """By column: size of the second difference, and its sign against the slope; mean 0."""
    slope = levels[:, 2:] - levels[:, :-2]
    second = 2 * levels[:, 1:-1] - levels[:, 2:] - levels[:, :-2]
    size = np.abs(second).mean(axis=0)
    against = np.clip(second * np.sign(slope), -_LARGEST_SIGNED, _LARGEST_SIGNED).mean(axis=0)
    usual = uniform_filter1d(size, _SMOOTHING_PX) + 0.05
    return _centred(size / usual), _centred(against / usual)


def _centred(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(values - uniform_filter1d(values, _SMOOTHING_PX))


def _times_usual(of_axes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Geometric mean of rows' and columns' amplitudes, over its median."""
    amplitude = np.sqrt(np.sqrt(of_axes[0] * of_axes[1]))
    return np.asarray(amplitude / (np.median(amplitude) + 1e-9))
