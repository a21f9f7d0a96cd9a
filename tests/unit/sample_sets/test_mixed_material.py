"""The faults of mixed-material are there, are as its card says, and are the only ones."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import imagehash
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from sample_sets.card import Card, Expected
from sample_sets.film import filmed, warmed

FOLDER = Path(__file__).parents[3] / "datasets" / "mixed-material"
CORNER_PX = 10


@pytest.fixture(scope="module")
def expected() -> Expected:
    card = Card.read(FOLDER)
    assert card.expected is not None
    return card.expected


@pytest.fixture(scope="module")
def pictures() -> dict[str, Image.Image]:
    paths = (p for p in sorted(FOLDER.iterdir()) if p.suffix in (".png", ".jpg"))
    return {path.name: Image.open(path).convert("RGB") for path in paths}


def corner_noise(picture: Image.Image) -> float:
    """Largest standard deviation of a channel where every picture is plain background."""
    corner = np.asarray(picture, np.float64)[:CORNER_PX, :CORNER_PX]
    return float(corner.std(axis=(0, 1)).max())


def test_the_minority_alone_is_grainy(expected: Expected, pictures: dict[str, Image.Image]) -> None:
    grainy = {name for name, picture in pictures.items() if corner_noise(picture) > 1.5}
    assert grainy == set(expected.minority)
    assert 6 <= len(grainy) < len(pictures) / 4


def test_look_alikes_have_the_films_colours_without_its_grain(
    expected: Expected, pictures: dict[str, Image.Image]
) -> None:
    assert expected.look_alikes
    assert not set(expected.look_alikes) & set(expected.minority)
    for name in expected.look_alikes:
        assert corner_noise(pictures[name]) == 0, name


def test_exactly_one_exact_copy(expected: Expected) -> None:
    contents: dict[bytes, list[str]] = {}
    for path in sorted(p for p in FOLDER.iterdir() if p.suffix in (".png", ".jpg")):
        contents.setdefault(path.read_bytes(), []).append(path.name)
    copies = [set(names) for names in contents.values() if len(names) > 1]
    assert copies == [set(expected.exact_duplicate)]


def test_exactly_one_near_copy(expected: Expected, pictures: dict[str, Image.Image]) -> None:
    hashes = {name: imagehash.phash(picture) for name, picture in pictures.items()}
    close = [{a, b} for a, b in combinations(hashes, 2) if hashes[a] - hashes[b] <= 6]
    known = [set(expected.near_duplicate), set(expected.exact_duplicate)]
    assert sorted(close, key=sorted) == sorted(known, key=sorted)


def test_the_blurred_one_has_the_weakest_edges(
    expected: Expected, pictures: dict[str, Image.Image]
) -> None:
    steepest = {name: _steepest_edge(picture) for name, picture in pictures.items()}
    assert (min(steepest, key=lambda name: steepest[name]),) == expected.blurred
    assert steepest[expected.blurred[0]] < 0.5 * sorted(steepest.values())[1]


def test_the_tiny_one_is_far_below_the_resolution(
    expected: Expected, pictures: dict[str, Image.Image]
) -> None:
    tiny = tuple(name for name, picture in pictures.items() if min(picture.size) < 64)
    assert tiny == expected.too_small


def test_film_repeats_with_its_seed_and_not_otherwise() -> None:
    gray = Image.new("RGB", (48, 48), (128, 128, 128))
    first, again, other = (filmed(gray, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


def test_grain_is_strongest_in_the_mid_tones() -> None:
    dark, mid, light = (
        corner_noise(filmed(Image.new("RGB", (48, 48), 3 * (value,)), np.random.default_rng(0)))
        for value in (10, 128, 245)
    )
    assert mid > 1.5 * dark
    assert mid > 1.3 * light


def test_grain_is_coarser_than_white_noise() -> None:
    gray = Image.new("RGB", (96, 96), (128, 128, 128))
    grain = np.asarray(filmed(gray, np.random.default_rng(0)), np.float64)[..., 1]
    grain -= grain.mean()
    neighbours = float((grain[:, 1:] * grain[:, :-1]).mean() / grain.var())
    assert 0.2 < neighbours < 0.9  # white noise: 0


def test_halation_reddens_the_dark_beside_a_light() -> None:
    lamp = Image.new("RGB", (48, 48))
    lamp.paste((255, 255, 255), (16, 16, 32, 32))
    pixels = np.asarray(filmed(lamp, np.random.default_rng(0)), np.float64)
    beside, far = pixels[20:28, 34:37].mean(axis=(0, 1)), pixels[:4, :4].mean(axis=(0, 1))
    assert (beside - far)[0] > (beside - far)[2] + 5


def test_warmed_keeps_flat_colour_flat() -> None:
    white = np.asarray(warmed(Image.new("RGB", (8, 8), (255, 255, 255))))
    assert len(np.unique(white.reshape(-1, 3), axis=0)) == 1
    red, _, blue = white[0, 0].tolist()
    assert red > blue + 10


def _steepest_edge(picture: Image.Image) -> float:
    gray: NDArray[np.float64] = np.asarray(picture.convert("L"), np.float64)
    steps = np.abs(np.diff(gray, axis=1))
    return float(np.percentile(steps, 99.5) / np.ptp(gray))
