"""Made pictures for the checks, and a short way to ask one check about one picture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw

from studio.curation.checks.check import Check
from studio.curation.file_facts import FileFacts
from studio.curation.view import Pixels, View

RESOLUTION_PX = 256


def _photograph(seed: int = 0, size: tuple[int, int] = (288, 256)) -> Image.Image:
    """Shapes of many tones with fine texture: as photographs have it, at all scales."""
    rng = np.random.default_rng(seed)
    width, height = size
    spectrum = np.fft.rfft2(rng.normal(size=(height, width)))
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    texture = np.fft.irfft2(spectrum / np.maximum(frequency, 1 / width), (height, width))
    image = Image.new("RGB", size, tuple(int(v) for v in rng.integers(60, 200, 3)))
    draw = ImageDraw.Draw(image)
    for _ in range(14):
        left, top = int(rng.integers(0, width)), int(rng.integers(0, height))
        reach = int(rng.integers(width // 12 + 1, width // 4 + 2))
        colour = tuple(int(v) for v in rng.integers(20, 235, 3))
        draw.ellipse((left - reach, top - reach // 2, left + reach, top + reach // 2), colour)
    noise = 14 * texture / texture.std() + rng.normal(0, 1.5, (height, width))
    return Image.fromarray(np.clip(np.asarray(image) + noise[..., None], 0, 255).astype(np.uint8))


@pytest.fixture
def photograph() -> Callable[..., Image.Image]:
    return _photograph


@pytest.fixture
def look() -> Callable[..., View]:
    """A view of a picture with the measurements of the given checks."""

    def call(
        image: Image.Image, *checks: Check, name: str = "a.png", facts: FileFacts | None = None
    ) -> View:
        pixels = Pixels(image, RESOLUTION_PX, facts or FileFacts())
        measured = {check.name: check.measure(pixels) for check in checks}
        return View(
            name=name,
            digest=name,
            width_px=image.width,
            height_px=image.height,
            caption=name,
            caption_source="txt",
            facts=pixels.facts,
            measurements={n: m for n, m in measured.items() if m is not None},
        )

    return call


@pytest.fixture
def icon() -> Image.Image:
    """A flat drawing on white, as small as the pocket base learns."""
    image = Image.new("RGB", (128, 128), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((24, 30, 104, 110), (30, 90, 160))
    draw.ellipse((50, 50, 80, 80), (240, 180, 40))
    return image
