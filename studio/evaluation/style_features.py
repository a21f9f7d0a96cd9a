"""What a picture looks like, whatever it shows: 45 numbers in five blocks, from pixels alone.

======================  =====  ===================================================================
block                   size   what it holds
======================  =====  ===================================================================
palette                 12     10, 25, 50, 75, 90% quantiles of lightness and of chroma; mean a, b
background              6      mean L, a, b of the outer ring, its spread of lightness, its mean
                               chroma, and the share of the whole picture that has its colour
edges                   6      share of pixels with a lightness step above 2, 5, 10, 20% a pixel;
                               lightness at the strongest edges against the picture's (outlines
                               are dark); share of the gradient that the strongest tenth carries
texture                 14     rotation-invariant uniform local binary patterns, 8 neighbours at
                               radius 1 (10 bins; Ojala et al., 2002); power spectrum by octave
                               (4 bands, log10 / 10)
flatness                7      share of pixels whose 3 x 3 surroundings vary by less than 0.5, 1,
                               2, 4 L; entropy of the coarse colours; share of the commonest
                               colour and of the commonest four
======================  =====  ===================================================================

None depends on where something is in the picture or which way it points. Colours are CIE Lab, L and
chroma divided by 100, so that all numbers are of the order of one. No learned model, no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.color import rgb2lab
from skimage.feature import local_binary_pattern

Floats = NDArray[np.float64]

BLOCKS = {
    "palette": slice(0, 12),
    "background": slice(12, 18),
    "edges": slice(18, 24),
    "texture": slice(24, 38),
    "flatness": slice(38, 45),
}
NUM_FEATURES = 45

QUANTILES = (0.10, 0.25, 0.50, 0.75, 0.90)
EDGE_STEPS = (0.02, 0.05, 0.10, 0.20)  # of the lightness range, a pixel
FLAT_LIMITS = (0.5, 1.0, 2.0, 4.0)  # standard deviation of L in [0, 100]
SAME_COLOUR = 0.10  # distance in Lab / 100 up to which a pixel counts as background
LIGHTNESS_STEP = 2.0  # L is rounded to this before patterns are read, else codec noise is texture
COLOUR_STEP = 10.0  # of the coarse colours, in Lab


def style_features(pictures: Sequence[Image.Image], side_px: int) -> Floats:
    """The features of square RGB pictures, seen at ``side_px``.

    Half of a base model's resolution is a good ``side_px``: the blur of its own autoencoder, which
    no adapter can change, does not show there.

    Returns:
        (pictures, 45)
    """
    return np.stack([_features(picture, side_px) for picture in pictures])


def _features(picture: Image.Image, side_px: int) -> Floats:
    small = picture.convert("RGB").resize((side_px, side_px), Image.Resampling.BOX)
    lab: Floats = rgb2lab(np.asarray(small, dtype=np.float64) / 255.0)  # (side, side, 3)
    lightness = lab[..., 0]
    return np.concatenate(
        [_palette(lab), _background(lab), _edges(lightness), _texture(lightness), _flatness(lab)]
    )


def _palette(lab: Floats) -> Floats:
    chroma = np.hypot(lab[..., 1], lab[..., 2])
    moments = lab[..., 1:].mean(axis=(0, 1))
    levels = [np.quantile(lab[..., 0], QUANTILES), np.quantile(chroma, QUANTILES), moments]
    return np.concatenate(levels) / 100.0


def _background(lab: Floats) -> Floats:
    width = max(1, lab.shape[0] // 16)
    inner = np.zeros(lab.shape[:2], dtype=bool)
    inner[width:-width, width:-width] = True
    ring = lab[~inner] / 100.0  # (pixels, 3)
    near = np.linalg.norm(lab / 100.0 - np.median(ring, axis=0), axis=-1) < SAME_COLOUR
    chroma = np.hypot(ring[:, 1], ring[:, 2]).mean()
    return np.array([*ring.mean(axis=0), ring[:, 0].std(), chroma, near.mean()])


def _edges(lightness: Floats) -> Floats:
    gradient = np.hypot(*np.gradient(lightness / 100.0))
    strongest = gradient >= np.quantile(gradient, 0.9)
    outline = (lightness[strongest].mean() - lightness.mean()) / 100.0
    concentration = gradient[strongest].sum() / max(float(gradient.sum()), 1e-9)
    return np.array([*[(gradient > s).mean() for s in EDGE_STEPS], outline, concentration])


def _texture(lightness: Floats) -> Floats:
    rounded = np.round(lightness / LIGHTNESS_STEP).astype(np.uint8)
    codes = local_binary_pattern(rounded, P=8, R=1, method="uniform")  # type: ignore[no-untyped-call]
    patterns = np.bincount(codes.astype(int).ravel(), minlength=10) / codes.size
    return np.concatenate([patterns, _octaves(lightness / 100.0)])


def _octaves(lightness: Floats) -> Floats:
    """Log power of four octaves below the Nyquist frequency, the finest last."""
    side = lightness.shape[0]
    power = np.abs(np.fft.fft2(lightness - lightness.mean())) ** 2 / side**2
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    bounds = 0.5 / 2.0 ** np.arange(4, -1, -1)
    bands = [
        power[(frequency > low) & (frequency <= high)].mean() for low, high in pairwise(bounds)
    ]
    return np.log10(np.array(bands) + 1e-6) / 10.0


def _flatness(lab: Floats) -> Floats:
    lightness = lab[..., 0]
    spread = np.lib.stride_tricks.sliding_window_view(lightness, (3, 3)).std(axis=(-2, -1))
    coarse = np.round(lab.reshape(-1, 3) / COLOUR_STEP) @ (1, 100, 10_000)  # one number a colour
    shares = np.unique(coarse, return_counts=True)[1] / len(coarse)
    entropy = -(shares * np.log2(shares)).sum() / 10.0
    top = np.sort(shares)[::-1]
    return np.array(
        [*[(spread < limit).mean() for limit in FLAT_LIMITS], entropy, top[0], top[:4].sum()]
    )
