"""A drawing in another style: other colours, fewer tones, another ground, a shadow, another posture."""

from __future__ import annotations

import numpy as np
from PIL import Image

SIDE_PX = 128


def restyled(drawing: Image.Image, rng: np.random.Generator) -> np.ndarray:
    """(3, 128, 128) in [-1, 1] of an RGBA drawing, its colours of no meaning, its shape kept."""
    rgba = np.asarray(_posed(drawing, rng), np.float32) / 255
    recolour = (_mixed, _in_palette, _as_it_is)[rng.choice(3, p=(0.35, 0.45, 0.2))]
    colours = recolour(rgba[..., :3], rng)
    ground = rng.uniform(0, 1, 3) if rng.random() < 0.7 else np.full(3, rng.choice((0.0, 1.0)))
    picture = np.ones((SIDE_PX, SIDE_PX, 3)) * ground
    if rng.random() < 0.3:
        picture *= 1 - 0.3 * _long_shadow(rgba[..., 3])[..., None]
    picture += rgba[..., 3:] * (colours - picture)
    if rng.random() < 0.25:
        picture = picture.reshape(32, 4, 32, 4, 3).mean((1, 3)).repeat(4, 0).repeat(4, 1)
    return (np.clip(picture, 0, 1) * 2 - 1).transpose(2, 0, 1).astype(np.float32)


def _posed(drawing: Image.Image, rng: np.random.Generator) -> Image.Image:
    """On a clear canvas, turned, scaled and shifted a little."""
    width = int(rng.integers(72, 122))
    drawing = drawing.resize((width, round(width * drawing.height / drawing.width)))
    drawing = drawing.rotate(float(rng.normal(0, 6)), Image.Resampling.BILINEAR)
    canvas = Image.new("RGBA", (SIDE_PX, SIDE_PX))
    x, y = ((SIDE_PX - np.array(drawing.size)) * rng.uniform(0.3, 0.7, 2)).astype(int)
    canvas.paste(drawing, (int(x), int(y)))
    return canvas


def _as_it_is(colours: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return colours * rng.uniform(0.8, 1.1) + rng.uniform(-0.1, 0.1)


def _mixed(colours: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Channels mixed at random, at times in few tones."""
    if rng.random() < 0.5:
        tones = rng.integers(3, 7)
        colours = np.round(colours * tones) / tones
    mixing = rng.dirichlet((0.4, 0.4, 0.4), 3) * rng.uniform(0.6, 1.2)
    if rng.random() < 0.5:
        mixing = 0.5 * mixing + 0.5 * np.eye(3)
    return colours @ mixing.T + rng.uniform(-0.15, 0.25, 3)


def _in_palette(colours: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A few colours of no relation: every tone of a random direction gets its own."""
    count = int(rng.integers(3, 8))
    axis = rng.normal(size=3)
    values = colours @ (axis / np.linalg.norm(axis))
    low, high = values.min(), values.max()
    tones = ((values - low) / (high - low + 1e-6) * (count - 1e-3)).astype(int)
    return rng.uniform(0, 1, (count, 3))[tones]


def _long_shadow(alpha: np.ndarray) -> np.ndarray:
    """Where a shadow to the lower right falls."""
    shadow = alpha.copy()
    for step in (1, 2, 4, 8, 16, 32):
        moved = np.zeros_like(shadow)
        moved[step:, step:] = shadow[:-step, :-step]
        shadow = np.maximum(shadow, moved)
    return shadow
