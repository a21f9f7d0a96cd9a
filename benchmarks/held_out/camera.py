"""Digital pictures: as they are, in bad light, and after an evening of editing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from scipy import ndimage
from skimage import color, exposure, restoration

Picture = NDArray[np.uint8]  # (height, width, 3), RGB
Values = NDArray[np.float64]  # the same, 0 to 1 or in electrons

_CROSS = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]])


def as_it_is(picture: Picture, _rng: np.random.Generator) -> Picture:
    """A photograph that nobody has touched."""
    return picture


def noisy(picture: Picture, rng: np.random.Generator) -> Picture:
    """Photo-electrons counted, in a sensor with more pixels than the picture, then denoised."""
    height, width = picture.shape[:2]
    factor = rng.choice([1.0, 1.25, 1.6])
    size = (round(width * factor), round(height * factor))
    large = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))
    light = (large.astype(np.float32) / 255) ** 2.2
    full_well = np.exp(rng.uniform(np.log(150), np.log(2500))) * np.array([0.55, 1, 0.6])
    sensed = _interpolated(light * full_well, rng) / full_well
    seen = _denoised(np.clip(sensed, 0, 1) ** (1 / 2.2), rng)
    image = Image.fromarray(np.clip(seen * 255 + 0.5, 0, 255).astype(np.uint8))
    image = image.resize((width, height), Image.Resampling.LANCZOS)
    if rng.random() < 0.6:
        image = image.filter(
            ImageFilter.UnsharpMask(rng.uniform(0.6, 1.5), int(rng.integers(30, 120)), 2)
        )
    return np.asarray(image)


def processed(picture: Picture, rng: np.random.Generator) -> Picture:
    """Two or three edits at random."""
    image = Image.fromarray(picture)
    for edit in rng.permutation(len(_EDITS))[: rng.integers(2, 4)]:
        image = _EDITS[edit](image, rng)
    return np.asarray(image)


def _interpolated(electrons: Values, rng: np.random.Generator) -> Values:
    """Counted at each colour's own places of a Bayer pattern, and averaged between."""
    y, x = np.indices(electrons.shape[:2], np.uint8)
    places = [(y & 1 == 0) & (x & 1 == 0), (y ^ x) & 1 == 1, (y & 1 == 1) & (x & 1 == 1)]
    expected = np.select(places, [electrons[..., plane] for plane in range(3)])
    counted = rng.poisson(expected) + rng.normal(0, rng.uniform(0.5, 4), expected.shape)
    colours = []
    for plane, place in enumerate(places):
        kernel = np.outer([1, 2, 1], [1, 2, 1]) if plane != 1 else _CROSS
        around = ndimage.convolve(np.where(place, counted, 0), kernel, mode="mirror")
        colours.append(around / ndimage.convolve(place.astype(np.float64), kernel, mode="mirror"))
    return np.stack(colours, axis=-1)


def _denoised(values: Values, rng: np.random.Generator) -> Values:
    """Chroma by a box, luma by wavelets as some raw converters do, or left alone."""
    ycc = color.rgb2ycbcr(values)
    window = int(rng.choice([1, 3, 5, 9]))
    ycc[..., 1:] = ndimage.uniform_filter(ycc[..., 1:], (window, window, 0))
    if rng.random() < 0.5:
        luma = ycc[..., 0] / 255
        smooth = restoration.denoise_wavelet(luma, wavelet="sym4", mode="soft", rescale_sigma=True)
        ycc[..., 0] += 255 * rng.uniform(0.3, 0.9) * (smooth - luma)
    return np.asarray(color.ycbcr2rgb(ycc))


def _sharpened(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    radius_px, percent = rng.uniform(0.7, 3), int(rng.integers(60, 250))
    return image.filter(ImageFilter.UnsharpMask(radius_px, percent, 1))


def _coloured(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    image = ImageEnhance.Color(image).enhance(rng.uniform(0.3, 1.8))
    return ImageEnhance.Contrast(image).enhance(rng.uniform(0.7, 1.5))


def _gray(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return ImageOps.autocontrast(ImageOps.grayscale(image), cutoff=rng.uniform(0, 2)).convert("RGB")


def _equalised(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Contrast-limited equalisation of brightness: the look of HDR."""
    y, *colours = image.convert("YCbCr").split()
    equalised = exposure.equalize_adapthist(np.asarray(y), clip_limit=rng.uniform(0.003, 0.015))
    y = Image.fromarray((equalised * 255).astype(np.uint8))
    return Image.merge("YCbCr", [y, *colours]).convert("RGB")


def _tinted(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Faded film's colours, from a preset."""
    values = np.asarray(image, np.float32) / 255
    gamma = rng.uniform(0.75, 1.3, 3)
    black, white = rng.uniform(0, 0.12, 3), rng.uniform(0.85, 1, 3)
    return Image.fromarray((255 * (black + (white - black) * values**gamma)).astype(np.uint8))


def _misty(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    air = Image.new("RGB", image.size, tuple(rng.integers(170, 230, 3).tolist()))
    return Image.blend(image, air, rng.uniform(0.2, 0.6))


def _soft(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return image.filter(ImageFilter.BoxBlur(rng.uniform(0.4, 1.3)))


_EDITS: tuple[Callable[[Image.Image, np.random.Generator], Image.Image], ...] = (
    _sharpened,
    _coloured,
    _gray,
    _equalised,
    _tinted,
    _misty,
    _soft,
)
