"""Colour and black-and-white film, scanned: softness, halation, tone curve, grain, scanner.

Grain is filtered Gaussian noise, one field a dye layer, in density strongest in the mid-tones: the
usual synthesis of restoration work (as in Norkin and Birkbeck, "Film Grain Synthesis for AV1",
2018). The layers are partly alike, and the noise of each is what passes between two blurs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from studio.curation.material.make.light import (
    Picture,
    Values,
    blurred,
    luma,
    sharpened,
    to_display,
    to_light,
    to_picture,
    to_values,
    vignetted,
)

_BLUE = 2
_HALATION_RGB = (1.0, 0.28, 0.05)  # red-sensitive layer lies lowest
_HALATION_FROM = 0.5  # of full light: only highlights pass all layers and come back
_HALATION_REDUCTION = 4  # a glow as wide as that is as good at a quarter of the size
_COARSE_TIMES = 3.0  # the wider of the two blurs that the grain passes between
_CLOUD_TIMES = 2.2  # dye clouds that overlap look like larger grains


@dataclass(frozen=True)
class Stock:
    """A film with its development and its scanner.

    Attributes:
        grain_px: standard deviation of the blur that makes grain from white noise, in pixels of
            the finished picture, whose shorter side has 640 to 1024.
        grain_levels: standard deviation of a layer's grain in mid-tones, of 255 levels.
        layer_correlation: of the grain of two layers, 0 to 1.
        blue_grain: times that the grain of the blue-sensitive layer is stronger and coarser.
        clouds: share of the grain that is coarser than the rest.
        low_cut: share of the coarse noise that is missing, 0 flat towards low frequencies.
        peak: displayed value at which grain is strongest.
        halation: light that highlights spread, as a share.
        halation_px: how far.
        softness_px: standard deviation of the blur by lens and emulsion.
        toe: displayed value of black; of white it is 1 - ``shoulder``.
        contrast: of the S-curve; 0 a straight line.
        cast: standard deviation between layers of toe, shoulder and contrast.
        vignette: share of light lost in the corners.
        monochrome: one layer for all colours.
        scan_px: standard deviation of the scanner's blur.
        sharpening: amount of the scanner's unsharp mask.
        scanner_levels: standard deviation of the scanner's own, white noise.
        dust: specks a megapixel.
    """

    grain_px: float
    grain_levels: float
    layer_correlation: float = 0.5
    blue_grain: float = 1.25
    clouds: float = 0.25
    low_cut: float = 0.35
    peak: float = 0.45
    halation: float = 0.15
    halation_px: float = 6.0
    softness_px: float = 0.55
    toe: float = 0.03
    shoulder: float = 0.03
    contrast: float = 0.3
    cast: float = 0.015
    vignette: float = 0.1
    monochrome: bool = False
    scan_px: float = 0.4
    sharpening: float = 0.3
    scanner_levels: float = 0.4
    dust: float = 0.0

    def varied(self, rng: np.random.Generator) -> Stock:
        """Another roll, exposure, laboratory and scanner of the same film."""
        return replace(
            self,
            grain_px=self.grain_px * _about_one(rng, 0.15),
            grain_levels=self.grain_levels * _about_one(rng, 0.13),
            layer_correlation=float(np.clip(rng.normal(self.layer_correlation, 0.15), 0.1, 0.9)),
            blue_grain=self.blue_grain * _about_one(rng, 0.1),
            clouds=rng.uniform(0, 2 * self.clouds),
            low_cut=rng.uniform(0, 2 * self.low_cut),
            peak=float(np.clip(rng.normal(self.peak, 0.08), 0.25, 0.65)),
            halation=rng.uniform(0, 2 * self.halation),
            halation_px=self.halation_px * _about_one(rng, 0.3),
            softness_px=rng.uniform(0, 2 * self.softness_px),
            toe=rng.uniform(0, 2 * self.toe),
            shoulder=rng.uniform(0, 2 * self.shoulder),
            contrast=rng.uniform(0, 2 * self.contrast),
            vignette=rng.uniform(0, 2 * self.vignette),
            scan_px=self.scan_px * _about_one(rng, 0.4),
            sharpening=rng.uniform(0, 2 * self.sharpening),
            scanner_levels=rng.uniform(0, 2 * self.scanner_levels),
            dust=self.dust if rng.random() < 0.3 else 0.0,
        )


FINE = Stock(grain_px=0.55, grain_levels=4.2, layer_correlation=0.55, dust=4)
STANDARD = Stock(grain_px=0.75, grain_levels=8.0, dust=6)
PUSHED = Stock(
    grain_px=1.05,
    grain_levels=15.5,
    layer_correlation=0.45,
    halation=0.25,
    softness_px=0.75,
    toe=0.05,
    contrast=0.5,
    cast=0.025,
    dust=6,
)
DISPOSABLE = Stock(
    grain_px=0.95,
    grain_levels=11.5,
    halation=0.35,
    halation_px=9.0,
    softness_px=1.1,
    toe=0.06,
    shoulder=0.06,
    cast=0.03,
    vignette=0.3,
    sharpening=0.5,
    dust=10,
)
BLACK_AND_WHITE = Stock(grain_px=0.85, grain_levels=10.0, peak=0.5, contrast=0.4, monochrome=True)


def film(picture: Picture, stock: Stock, rng: np.random.Generator) -> Picture:
    """``picture`` as if shot on a roll of ``stock``; same shape."""
    stock = stock.varied(rng)
    layers = _exposed(picture, stock)
    noises = _correlated_noises(len(layers), picture.shape[:2], stock, rng)
    dust = _dust(picture.shape[:2], stock, rng)
    scans = []
    for index, (light, noise) in enumerate(zip(layers, noises, strict=True)):
        coarser = stock.blue_grain if index == _BLUE else 1.0
        developed = _developed(light, stock, rng)
        # The scanner is linear up to here: grain passes it alone, to be of known strength.
        scan = _scanned(developed, stock) + _grain(developed, noise, stock, coarser)
        scan += rng.standard_normal(scan.shape, np.float32) * np.float32(stock.scanner_levels / 255)
        scans.append(scan if dust is None else scan + dust * (1 - scan))
    return to_picture(cv2.merge(scans * (3 // len(scans))))


def _about_one(rng: np.random.Generator, spread: float) -> float:
    return float(np.exp(rng.normal(0, spread)))


def _exposed(picture: Picture, stock: Stock) -> list[Values]:
    """Light in each layer, spread by the lens, the emulsion and the film's base."""
    light = blurred(vignetted(to_light(picture), stock.vignette), stock.softness_px)
    brightness = luma(light)
    layers = [brightness] if stock.monochrome else list(cv2.split(light))
    height, width = brightness.shape
    size = (max(1, width // _HALATION_REDUCTION), max(1, height // _HALATION_REDUCTION))
    small = cv2.resize(brightness, size, interpolation=cv2.INTER_AREA)
    glow = blurred(np.maximum(small - _HALATION_FROM, 0), stock.halation_px / _HALATION_REDUCTION)
    glow = cv2.resize(glow, (width, height), interpolation=cv2.INTER_LINEAR)
    shares = [np.float32(stock.halation * share) for share in _HALATION_RGB]
    return [layer + glow * share for layer, share in zip(layers, shares, strict=False)]


def _developed(light: Values, stock: Stock, rng: np.random.Generator) -> Values:
    """Displayed values of a layer by a tone curve of its own."""
    toe, shoulder, contrast = (
        np.float32(rng.normal(middle, stock.cast))
        for middle in (stock.toe, stock.shoulder, stock.contrast)
    )
    values = to_display(light)
    values += contrast * values * (1 - values) * (2 * values - 1)
    return toe + (1 - shoulder - toe) * values


def _correlated_noises(
    layers: int, shape: tuple[int, ...], stock: Stock, rng: np.random.Generator
) -> list[Values]:
    """White noise of each layer, unit standard deviation, partly alike."""
    noises = [rng.standard_normal(shape, np.float32) for _ in range(layers)]
    if layers == 1:
        return noises
    alike = np.full((3, 3), stock.layer_correlation) + np.eye(3) * (1 - stock.layer_correlation)
    return list(cv2.split(cv2.transform(cv2.merge(noises), np.linalg.cholesky(alike))))


def _grain(developed: Values, noise: Values, stock: Stock, coarser: float) -> Values:
    """One layer's grain as scanned, as much and as large as the stock says."""
    size_px = stock.grain_px * coarser
    # Blurred white noise has a standard deviation near 1 / (2 sigma sqrt(pi)).
    clouds = blurred(noise, _CLOUD_TIMES * size_px) * np.float32(_CLOUD_TIMES * stock.clouds)
    slow = blurred(noise, _COARSE_TIMES * size_px) * np.float32(stock.low_cut)
    field = _scanned(blurred(noise, size_px) + clouds - slow, stock)
    strength = _strength_by_value(stock) * np.float32(coarser / field.std())
    return field * cv2.LUT(to_picture(developed), strength)


def _scanned(values: Values, stock: Stock) -> Values:
    return sharpened(blurred(values, stock.scan_px), stock.sharpening, 2 * stock.scan_px + 0.4)


def _strength_by_value(stock: Stock) -> Values:
    """256 standard deviations: grains are most unlike where half of them are developed."""
    value = np.linspace(0, 1, 256)
    bend = np.log(0.5) / np.log(stock.peak)
    half_developed = 4 * value**bend * (1 - value**bend)
    return ((0.2 + 0.8 * half_developed) * stock.grain_levels / 255).astype(np.float32)


def _dust(shape: tuple[int, ...], stock: Stock, rng: np.random.Generator) -> Values | None:
    """Opacity, 0 to 1, of white specks and hairs, as dust on a negative shows; None without."""
    height, width = shape
    specks = rng.poisson(stock.dust * height * width / 1e6)
    if not specks:
        return None
    marks = np.zeros((height, width), np.uint8)
    for _ in range(specks):
        start = rng.integers((0, 0), (width, height))
        end = start + rng.integers(-3, 4, 2) * rng.integers(1, 5)
        cv2.line(marks, start.tolist(), end.tolist(), int(rng.integers(60, 220)), 1, cv2.LINE_AA)
    return blurred(to_values(marks), 0.6)
