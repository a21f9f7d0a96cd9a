"""Synthetic styles (flat, outlined, noisy) that can show any content, and sets made of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from studio.curation.manifest import CuratedSet, Picture

SIDE_PX = 128
SUPERSAMPLING = 2
SHAPES = ("circle", "square", "triangle")

Draw = Callable[[str, int, int], list[Image.Image]]


def _shape(draw: ImageDraw.ImageDraw, rng: np.random.Generator, fill: str, outline: int) -> None:
    scale = SIDE_PX * SUPERSAMPLING
    x, y = rng.uniform(0.35, 0.65, 2) * scale
    r = rng.uniform(0.18, 0.32) * scale
    box, line = (x - r, y - r, x + r, y + r), {"outline": "#101010", "width": outline}
    match rng.choice(SHAPES):
        case "circle":
            draw.ellipse(box, fill=fill, **line)
        case "square":
            draw.rectangle(box, fill=fill, **line)
        case _:
            draw.polygon([(x, y - r), (x + r, y + r), (x - r, y + r)], fill=fill, **line)


def picture(style: str, seed: int) -> Image.Image:
    """One picture: what it shows depends on the seed, how it looks on the style."""
    rng = np.random.default_rng(seed)
    hue = rng.integers(0, 360)
    size = (SIDE_PX * SUPERSAMPLING,) * 2
    ground, colour, outline = {
        "flat": ("#ffffff", f"hsl({hue}, 80%, 55%)", 0),
        "outlined": ("#fff3d6", f"hsl({hue}, 45%, 70%)", 3 * SUPERSAMPLING),
        "noisy": ("#8a8a92", f"hsl({hue}, 30%, 45%)", 0),
    }[style]
    image = Image.new("RGB", size, ground)
    for _ in range(rng.integers(1, 4)):
        _shape(ImageDraw.Draw(image), rng, colour, outline)
    image = image.resize((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)
    if style == "noisy":
        noise = rng.normal(0, 18, (SIDE_PX, SIDE_PX, 1))
        image = Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))
    return image


@pytest.fixture(scope="session")
def draw() -> Draw:
    """``draw(style, first_seed, count)``: pictures of one style, all different."""

    def drawn(style: str, first_seed: int, count: int) -> list[Image.Image]:
        return [picture(style, first_seed + i) for i in range(count)]

    return drawn


@pytest.fixture
def curated(tmp_path: Path) -> Callable[..., CuratedSet]:
    """``curated(name, pictures, captions)``: a set of PNG files on disk."""

    def make(name: str, pictures: list[Image.Image], captions: list[str]) -> CuratedSet:
        folder = tmp_path / name
        folder.mkdir()
        found = []
        for index, (image, caption) in enumerate(zip(pictures, captions, strict=True)):
            path = folder / f"{index:03}.png"
            image.save(path)
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            found.append(Picture(path.name, digest, image.width, image.height, caption, "txt"))
        return CuratedSet(source=folder, pictures=tuple(found))

    return make
