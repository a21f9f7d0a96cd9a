"""Film by counting crystals: grain as the consequence of an emulsion, not as noise laid over it.

Every cell of a layer, smaller than a pixel, holds silver-halide crystals of two sizes, few fast and
more slow ones. Light makes each developable with a probability that follows the logarithm of
exposure (Hurter and Driffield's curve with its toe and shoulder); how many were is drawn, each
leaves a cloud of dye, and where clouds overlap density saturates. A Boolean model on a grid, after
Newson, Delon and Galerne, "A Stochastic Film Grain Model for Resolution-Independent Rendering"
(2017). Shadows show the fast crystals' coarse grain, highlights the slow ones' fine grain.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy.special import pdtr

Picture = NDArray[np.uint8]  # (height, width, 3), RGB
Plane = NDArray[np.float32]  # (height, width)

_CELLS = 2  # along each side of a pixel
_CHANCES = 2048  # a draw has 11 bits
_LEVELS = 512  # steps of the probability to be developed
_OVERLAP = 1.2  # density that clouds would have if they did not overlap, where all is developed
_SLOWER = 3.0  # slow crystals need as many times the light
_FAST_SHARE = 0.45  # of the dye
_LARGER = 1.6  # fast crystals' clouds, in diameter
_HILL = 2.2 * 0.95  # steepness over displayed values, which are light ** (1 / 2.2)


@dataclass(frozen=True)
class Emulsion:
    """A film, developed and scanned.

    Attributes:
        crystals: fast ones a cell, on average; of slow ones there are three times as many.
        cloud_px: standard deviation of a slow crystal's dye cloud, in pixels of the result.
        speed: displayed value at which half of the fast crystals are developable.
        crosstalk: share of each dye's density that the other two layers' scans see.
        inhibition: how much development in one place holds it back around and in other layers.
        lens_px: radius of the lens's blur disc.
        halation: light that comes back from the film's base, as a share.
        fog: density, displayed, of film that saw no light; ``ceiling`` is that of full exposure.
        scan: size of the scan as a share of the result's; below 1 it is enlarged after.
        unsharp: per cent of the scanner's unsharp mask.
        silver: one layer, and silver instead of dyes.
    """

    crystals: float
    cloud_px: float
    speed: float = 0.6
    crosstalk: float = 0.12
    inhibition: float = 0.08
    lens_px: float = 0.6
    halation: float = 0.06
    fog: float = 0.03
    ceiling: float = 0.97
    scan: float = 1.0
    unsharp: int = 50
    silver: bool = False

    def batch(self, rng: np.random.Generator) -> Emulsion:
        """Another film of the kind, from another laboratory."""
        return replace(
            self,
            crystals=self.crystals * rng.uniform(0.75, 1.35),
            cloud_px=self.cloud_px * rng.uniform(0.85, 1.2),
            speed=self.speed * rng.uniform(0.8, 1.25),
            crosstalk=rng.uniform(0.04, 0.2),
            inhibition=rng.uniform(0, 2 * self.inhibition),
            lens_px=rng.uniform(0.2, 2 * self.lens_px - 0.2),
            halation=rng.uniform(0, 2 * self.halation),
            fog=rng.uniform(0, 2 * self.fog),
            ceiling=rng.uniform(2 * self.ceiling - 1, 1),
            scan=min(1.0, self.scan * rng.uniform(0.9, 1.15)),
            unsharp=int(rng.integers(0, 2 * self.unsharp + 1)),
        )


FINE = Emulsion(crystals=33, cloud_px=0.42)
STANDARD = Emulsion(crystals=4.5, cloud_px=0.6)
PUSHED = Emulsion(crystals=0.8, cloud_px=0.8, inhibition=0.03, fog=0.06, unsharp=80, halation=0.1)
DISPOSABLE = Emulsion(
    crystals=1.0, cloud_px=0.8, lens_px=1.4, halation=0.12, fog=0.08, ceiling=0.93, scan=0.85
)
BLACK_AND_WHITE = Emulsion(crystals=4, cloud_px=0.6, silver=True, inhibition=0.04)


def film(picture: Picture, emulsion: Emulsion, rng: np.random.Generator) -> Picture:
    """``picture`` as if shot on ``emulsion``; same shape."""
    emulsion = emulsion.batch(rng)
    exposed = _exposed(picture, emulsion)
    layers = [exposed.mean(axis=2)] if emulsion.silver else list(cv2.split(exposed))
    densities = [_density(layer.astype(np.float32), emulsion, rng) for layer in layers]
    seen = cv2.merge(densities * (3 // len(densities)))
    if not emulsion.silver:
        seen = cv2.transform(seen, _mixing(emulsion.crosstalk))
    shown = emulsion.fog + (emulsion.ceiling - emulsion.fog) * seen
    return _scanned(np.clip(shown * 255 + 0.5, 0, 255).astype(np.uint8), emulsion)


def _exposed(picture: Picture, emulsion: Emulsion) -> NDArray[np.float32]:
    """Light (height, width, 3) through the lens, with its reflection from the film's base."""
    values = picture.astype(np.float32) / 255
    if not emulsion.silver:  # what crosstalk will take from the colours is given before
        values = cv2.transform(values, np.linalg.inv(_mixing(emulsion.crosstalk))).clip(0, 1)
    disc = _disc(emulsion.lens_px)
    light = cv2.filter2D(values**2.2, -1, disc, borderType=cv2.BORDER_REFLECT)
    small = cv2.resize(light[..., 0] ** 2, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    glow = cv2.filter2D(small, -1, _HALO, borderType=cv2.BORDER_REFLECT)
    glow = np.maximum(cv2.resize(glow, light.shape[1::-1]), 0) * np.float32(emulsion.halation)
    light[..., 0] += glow
    light[..., 1] += glow * np.float32(0.3)
    return light


def _density(light: Plane, emulsion: Emulsion, rng: np.random.Generator) -> Plane:
    """One layer's dye, 0 to about 1 where light is full."""
    shown = light ** np.float32(1 / 2.2)
    shown *= 1 - np.float32(emulsion.inhibition) * (cv2.blur(shown, (15, 15)) - shown)
    hill = shown ** np.float32(_HILL)
    fast, slow = (_half(emulsion, slower) for slower in (1.0, _SLOWER))
    dye = _FAST_SHARE * _clouds(
        hill / (hill + fast), emulsion.crystals, _LARGER * emulsion.cloud_px, rng
    )
    dye += (1 - _FAST_SHARE) * _clouds(
        hill / (hill + slow), 3 * emulsion.crystals, emulsion.cloud_px, rng
    )
    most = _FAST_SHARE / (1 + fast) + (1 - _FAST_SHARE) / (1 + slow)
    return (1 - np.exp(-_OVERLAP * dye)) / np.float32(1 - np.exp(-_OVERLAP * most))


def _half(emulsion: Emulsion, slower: float) -> np.float32:
    """Exposure, as Hill's curve counts it, that makes half of the crystals developable."""
    return np.float32(emulsion.speed**_HILL * slower ** (_HILL / 2.2))


def _clouds(chance: Plane, crystals: float, sigma_px: float, rng: np.random.Generator) -> Plane:
    """Dye of the crystals developed, as a share of all; the scanner's sensor averages the cells."""
    height, width = chance.shape
    cells = _developed(chance, crystals, rng) / np.float32(crystals)
    dye = cv2.GaussianBlur(cells, (0, 0), sigma_px * _CELLS, borderType=cv2.BORDER_REFLECT)
    return cv2.resize(dye, (width, height), interpolation=cv2.INTER_AREA)


def _developed(chance: Plane, crystals: float, rng: np.random.Generator) -> Plane:
    """How many crystals each cell has developed: Poisson draws, by tables of quantiles."""
    size = (chance.shape[1] * _CELLS, chance.shape[0] * _CELLS)
    step = cv2.resize(np.rint(chance * (_LEVELS - 1)), size).astype(np.int32)
    draw = rng.integers(0, _CHANCES, step.shape, np.uint16)
    return np.take(_quantiles(crystals), step * _CHANCES + draw).astype(np.float32)


@lru_cache(maxsize=2)  # the three layers share theirs
def _quantiles(crystals: float) -> NDArray[np.uint8]:
    """(steps of probability x draws): the count that each equal share of draws stands for."""
    means = np.linspace(0, crystals, _LEVELS)[:, None]
    shares = (np.arange(_CHANCES) + 0.5) / _CHANCES
    most = int(crystals + 5 * np.sqrt(crystals)) + 5
    cumulated = pdtr(np.arange(most), means)
    return np.concatenate([np.searchsorted(row, shares) for row in cumulated]).astype(np.uint8)


def _scanned(shown: Picture, emulsion: Emulsion) -> Picture:
    image = Image.fromarray(shown)
    if emulsion.scan < 1:
        size = (round(image.width * emulsion.scan), round(image.height * emulsion.scan))
        image = image.resize(size, Image.Resampling.HAMMING)
        image = image.resize(shown.shape[1::-1], Image.Resampling.BICUBIC)
    return np.asarray(image.filter(ImageFilter.UnsharpMask(1, emulsion.unsharp, 0)))


def _mixing(crosstalk: float) -> NDArray[np.float64]:
    """(3, 3): what each scan sees of each layer; gray stays gray."""
    return np.full((3, 3), crosstalk) + np.eye(3) * (1 - 3 * crosstalk)


def _disc(radius_px: float) -> NDArray[np.float32]:
    """A disc with soft rims, of sum 1."""
    reach = int(np.ceil(radius_px)) + 1
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.clip(radius_px + 0.5 - np.hypot(y, x), 0, 1)
    return (disc / disc.sum()).astype(np.float32)


def _halo() -> NDArray[np.float32]:
    """At a quarter of the size: an exponential glow, and the ring of total reflection."""
    y, x = np.mgrid[-9:10, -9:10]
    radius = np.hypot(y, x)
    kernel = np.exp(-radius / 1.6) / 16 + np.exp(-((radius - 3.5) ** 2) / 1.5) / 60
    return kernel.astype(np.float32)


_HALO = _halo()
