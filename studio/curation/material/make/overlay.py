"""Grain that no film made: a layer of noise laid over a finished digital picture.

One field for all three colours, as strong in shadows as in mid-tones or by the rule of a blend
mode, often one tile repeated. Imitations like these do not teach what film does.
"""

from __future__ import annotations

import cv2
import numpy as np

from studio.curation.material.make.light import (
    Picture,
    Values,
    blurred,
    to_picture,
    to_values,
)

_TILES_PX = (128, 256, 384, 512)


def overlay_grain(picture: Picture, rng: np.random.Generator) -> Picture:
    """``picture`` under a layer of monochrome grain; same shape."""
    values = to_values(picture)
    height, width = picture.shape[:2]
    field = _tiled(height, width, rng) if rng.random() < 0.4 else _field((height, width), rng)
    grain = (field * np.float32(rng.uniform(4, 18) / 255))[..., None]
    if rng.random() < 0.6:
        return to_picture(values + grain)
    return to_picture(_overlaid(values, 0.5 + grain))


def _field(shape: tuple[int, int], rng: np.random.Generator) -> Values:
    """Unit noise, white or slightly blurred, at times drawn on coarser pixels."""
    noise = rng.standard_normal(shape, np.float32)
    if rng.random() < 0.75:
        noise = blurred(noise, rng.uniform(0.3, 1.3))
    if rng.random() < 0.2:
        coarse = noise[: shape[0] // 2 + 1, : shape[1] // 2 + 1]
        noise = cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_LINEAR)
    return noise / noise.std()


def _tiled(height: int, width: int, rng: np.random.Generator) -> Values:
    side = int(rng.choice(_TILES_PX))
    tile = _field((side, side), rng)
    repeats = (-(-height // side), -(-width // side))
    return np.tile(tile, repeats)[:height, :width]


def _overlaid(below: Values, above: Values) -> Values:
    """The blend mode "overlay": no effect in black and white, strongest between."""
    return np.where(below < 0.5, 2 * below * above, 1 - 2 * (1 - below) * (1 - above))
