"""Pictures and folders for the curation tests: small, drawn from a seed, all different."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from studio.curation.manifest import CuratedSet
from studio.curation.measurement_cache import database
from studio.curation.pipeline import curate
from studio.curation.reading import Piece, Reading
from studio.curation.settings import CurationSettings, DatasetSettings

RESOLUTION_PX = 64

Draw = Callable[..., Image.Image]


def _scene(seed: int, size: tuple[int, int] = (96, 96)) -> Image.Image:
    """Coloured shapes with crisp edges on a ground with a little noise."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", size, tuple(int(v) for v in rng.integers(0, 256, 3)))
    draw = ImageDraw.Draw(image)
    for _ in range(8):
        left, top = (int(rng.integers(0, side)) for side in size)
        width, height = (int(rng.integers(side // 6, side // 2)) for side in size)
        shape = draw.ellipse if rng.random() < 0.5 else draw.rectangle
        shape(
            (left, top, left + width, top + height), tuple(int(v) for v in rng.integers(0, 256, 3))
        )
    noise = rng.normal(0, 3, (size[1], size[0], 3))
    return Image.fromarray((np.asarray(image) + noise).clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="session")
def scene() -> Draw:
    return _scene


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with six good pictures, captioned by their names."""
    source = tmp_path / "pictures"
    source.mkdir()
    for seed, name in enumerate(["ant", "bee", "cow", "dog", "eel", "fox"]):
        _scene(seed).save(source / f"{name}.png")
    return source


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The database of a cache that is empty at first and this test's alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return database()


class ReadsAll:
    """A `CaptionReader` that is never full, one token a word."""

    def read(self, caption: str) -> Reading:
        return Reading(len(caption.split()), 1000)

    def pieces(self, word: str) -> list[Piece]:
        return [Piece(word, 0.99)]


@pytest.fixture
def curate_folder() -> Callable[..., CuratedSet]:
    """`curate` with the limits given by keyword."""

    def call(source: Path, **limits: object) -> CuratedSet:
        curation = CurationSettings.model_validate(
            {"advised_pictures": 1, "ample_pictures": 1, **limits}
        )
        settings = DatasetSettings(source=str(source), curation=curation)
        return curate(settings, RESOLUTION_PX, reader=ReadsAll())

    return call
