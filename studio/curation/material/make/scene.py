"""Scenes drawn from nothing: shapes, gradients, lines and letters, as in icons, posters, games."""

from __future__ import annotations

import colorsys

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from studio.curation.material.make.light import Picture, blurred, to_picture, to_values

_OVERSAMPLING = 2  # drawn larger, then reduced: smooth edges
_WORDS = ("SALE", "Open", "42", "hello", "A", "NEW", "&", "level 7", "01:25", "@", "ok!")
Colour = tuple[int, int, int]


def scene(height: int, width: int, rng: np.random.Generator) -> Picture:
    """(height, width, 3): a drawing made of shapes."""
    size = (width * _OVERSAMPLING, height * _OVERSAMPLING)
    palette = _palette(rng)
    image = Image.fromarray(_background(size, palette, rng))
    draw = ImageDraw.Draw(image)
    outline = _outline(rng)
    for _ in range(rng.integers(4, 60)):
        _SHAPES[rng.integers(len(_SHAPES))](draw, size, palette, outline, rng)
    drawn = cv2.resize(np.asarray(image), (width, height), interpolation=cv2.INTER_AREA)
    return _shaded(drawn, rng) if rng.random() < 0.3 else drawn


def _palette(rng: np.random.Generator) -> list[Colour]:
    """Colours that go together: neighbouring hues and one opposite, of like saturation."""
    hue, spread = rng.random(), rng.uniform(0.03, 0.3)
    saturation = rng.uniform(0.1, 0.95)
    colours = []
    for index in range(int(rng.integers(4, 12))):
        turn = 0.5 if index == 0 else rng.normal(0, spread)
        value = rng.uniform(0.15, 1)
        rgb = colorsys.hsv_to_rgb(
            (hue + turn) % 1, min(1, saturation * rng.uniform(0.6, 1.3)), value
        )
        red, green, blue = (round(255 * channel) for channel in rgb)
        colours.append((red, green, blue))
    return [*colours, (255, 255, 255), (20, 20, 24)]


def _background(size: tuple[int, int], palette: list[Colour], rng: np.random.Generator) -> Picture:
    """Plain, or a gradient from one colour to another along any direction."""
    width, height = size
    first, second = (np.array(_one_of(palette, rng), np.float32) for _ in range(2))
    if rng.random() < 0.5:
        return np.full((height, width, 3), first, np.uint8)
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None]
    share = np.clip((np.sin(angle) * y + np.cos(angle) * x) / 2 + 0.5, 0, 1)[..., None]
    return (first + (second - first) * share.astype(np.float32)).astype(np.uint8)


def _outline(rng: np.random.Generator) -> int:
    """Width of outlines in pixels; 0 for a scene without."""
    return int(rng.integers(2, 9)) * int(rng.random() < 0.5)


def _one_of(palette: list[Colour], rng: np.random.Generator) -> Colour:
    return palette[rng.integers(len(palette))]


def _box(size: tuple[int, int], rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of something small or large, partly outside at times."""
    scale = np.exp(rng.uniform(np.log(0.02), np.log(0.5)))
    half = min(size) * scale * rng.uniform(0.4, 1.6, 2) / 2 + 2
    middle = rng.uniform((0, 0), size)
    left, top = (middle - half).astype(int).tolist()
    right, bottom = (middle + half).astype(int).tolist()
    return left, top, right, bottom


def _ellipse(
    draw: ImageDraw.ImageDraw,
    size: tuple[int, int],
    palette: list[Colour],
    outline: int,
    rng: np.random.Generator,
) -> None:
    draw.ellipse(_box(size, rng), _one_of(palette, rng), palette[-1], outline)


def _rectangle(
    draw: ImageDraw.ImageDraw,
    size: tuple[int, int],
    palette: list[Colour],
    outline: int,
    rng: np.random.Generator,
) -> None:
    left, top, right, bottom = _box(size, rng)
    radius = rng.uniform(0, 0.5) * min(right - left, bottom - top) * (rng.random() < 0.5)
    draw.rounded_rectangle(
        (left, top, right, bottom), radius, _one_of(palette, rng), palette[-1], outline
    )


def _polygon(
    draw: ImageDraw.ImageDraw,
    size: tuple[int, int],
    palette: list[Colour],
    outline: int,
    rng: np.random.Generator,
) -> None:
    """From triangles to blobs; a star where near and far corners take turns."""
    left, top, right, bottom = _box(size, rng)
    corners = int(rng.integers(3, 40))
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False) + rng.uniform(0, np.pi)
    radii = np.where(np.arange(corners) % 2, rng.uniform(0.4, 1), 1) * rng.uniform(0.9, 1, corners)
    x = (left + right) / 2 + np.cos(angles) * radii * (right - left) / 2
    y = (top + bottom) / 2 + np.sin(angles) * radii * (bottom - top) / 2
    points = list(zip(x.tolist(), y.tolist(), strict=True))
    draw.polygon(points, _one_of(palette, rng), palette[-1], outline)


def _curve(
    draw: ImageDraw.ImageDraw,
    size: tuple[int, int],
    palette: list[Colour],
    outline: int,
    rng: np.random.Generator,
) -> None:
    """A pen stroke: a cubic curve between four points, or hatching beside it."""
    points = rng.uniform((0, 0), size, (4, 2)) * rng.uniform(0.2, 1) + rng.uniform((0, 0), size) / 3
    t = np.linspace(0, 1, 60)[:, None]
    weights = np.hstack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3])
    stroke, colour = weights @ points, _one_of(palette, rng)
    width = int(rng.integers(2, 10)) + outline
    for line in range(int(rng.choice([1, 1, 1, 12]))):
        shifted = stroke + line * 3 * width
        draw.line([tuple(point) for point in shifted.tolist()], colour, width, joint="curve")


def _word(
    draw: ImageDraw.ImageDraw,
    size: tuple[int, int],
    palette: list[Colour],
    outline: int,
    rng: np.random.Generator,
) -> None:
    font = ImageFont.load_default(
        float(np.exp(rng.uniform(np.log(24), np.log(min(size) / 3 + 25))))
    )
    position = rng.uniform((0, 0), size) * 0.8
    word = _WORDS[rng.integers(len(_WORDS))]
    colour = _one_of(palette, rng)
    draw.text(
        (position[0], position[1]),
        word,
        colour,
        font,
        stroke_width=outline,
        stroke_fill=palette[-1],
    )


def _shaded(drawn: Picture, rng: np.random.Generator) -> Picture:
    """Soft light over all of it, as on painted or rendered pictures; no texture."""
    height, width = drawn.shape[:2]
    coarse = rng.standard_normal((6, 6), np.float32)
    light = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    values = to_values(drawn) * (1 + np.float32(rng.uniform(0.03, 0.15)) * light)[..., None]
    return to_picture(blurred(values, rng.uniform(0, 0.6)))


_SHAPES = (_ellipse, _ellipse, _rectangle, _rectangle, _polygon, _polygon, _curve, _word)
