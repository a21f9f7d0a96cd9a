"""The simulators of materials: the one that teaches the classifier, and the one that tests it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from studio.curation.material.make import framing, materials

sys.path.append(str(Path(__file__).resolve().parents[4] / "benchmarks"))
import held_out_materials

Picture = NDArray[np.uint8]
Apply = Callable[[str, Picture, np.random.Generator], Picture]
SIDES: dict[str, Apply] = {"taught": materials.apply, "held out": held_out_materials.apply}
ALL = [("taught", name) for name in materials.MATERIALS] + [
    ("held out", name) for name in held_out_materials.MATERIALS
]
FILMS = [(side, f"film_{kind}") for side in SIDES for kind in ("fine", "standard", "pushed", "bw")]
# Levels of 255 in mid-tones, for the mean over rolls of each kind.
GRAIN_LEVELS = {
    "film_fine": (2.5, 6),
    "film_standard": (5, 11),
    "film_pushed": (10, 21),
    "film_bw": (6, 14),
}


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def photograph() -> Picture:
    """Soft shapes, some edges and a faint texture."""
    draws = rng(1)
    coarse = draws.integers(20, 235, (6, 8, 3), np.uint8)
    picture = cv2.resize(coarse, (144, 108), interpolation=cv2.INTER_CUBIC)
    cv2.circle(picture, (60, 50), 25, (200, 120, 60), -1, cv2.LINE_AA)
    texture = draws.normal(0, 3, picture.shape)
    return np.clip(picture + texture, 0, 255).astype(np.uint8)


@cache
def gray_grain(side: str, material: str, value: int = 128) -> NDArray[np.float64]:
    """(rolls, height, width, 3): what film makes of an even gray, less what is no grain."""
    gray = np.full((96, 96, 3), value, np.uint8)
    rolls = [SIDES[side](material, gray, rng(seed)).astype(float) for seed in range(6)]
    grain = [roll - cv2.GaussianBlur(roll, (0, 0), 12) for roll in rolls]
    return np.stack(grain)[:, 8:-8, 8:-8]  # at the rims blurs see mirrored grain


def correlation(grain: NDArray[np.float64], lag_px: int) -> float:
    return float((grain[..., lag_px:] * grain[..., :-lag_px]).mean() / grain.var())


@pytest.mark.parametrize(("side", "material"), ALL)
def test_a_material_is_seen_and_the_same_for_the_same_seed(
    side: str, material: str, photograph: Picture
) -> None:
    before = photograph.copy()
    treated = SIDES[side](material, photograph, rng(7))
    assert treated.shape == photograph.shape
    assert treated.dtype == np.uint8
    assert np.array_equal(treated, SIDES[side](material, photograph, rng(7)))
    assert np.array_equal(photograph, before)
    untouched = (side, material) == ("held out", "digital_clean")
    assert np.array_equal(treated, photograph) == untouched


def test_both_sides_have_the_same_materials() -> None:
    assert set(materials.MATERIALS) <= set(held_out_materials.MATERIALS)


@pytest.mark.parametrize(("side", "material"), FILMS)
def test_grain_is_as_strong_as_its_film(side: str, material: str) -> None:
    low, high = GRAIN_LEVELS[material]
    assert low < gray_grain(side, material).std() < high


@pytest.mark.parametrize(("side", "material"), FILMS)
def test_grain_is_neither_white_nor_blotches(side: str, material: str) -> None:
    luma = gray_grain(side, material).mean(axis=-1)
    assert correlation(luma, 1) > 0.3
    assert abs(correlation(luma, 8)) < 0.1


@pytest.mark.parametrize("side", SIDES)
def test_grain_is_strongest_in_mid_tones(side: str) -> None:
    dark, middle, bright = (
        gray_grain(side, "film_standard", value).std() for value in (10, 140, 250)
    )
    assert middle > 1.5 * dark
    assert middle > 1.1 * bright


@pytest.mark.parametrize("side", SIDES)
def test_dye_layers_have_grain_of_their_own_and_silver_has_not(side: str) -> None:
    colour = gray_grain(side, "film_standard")
    assert np.corrcoef(colour[..., 0].ravel(), colour[..., 2].ravel())[0, 1] < 0.8
    silver = gray_grain(side, "film_bw")
    assert np.array_equal(silver[..., 0], silver[..., 2])


@pytest.mark.parametrize("size", [(900, 700), (700, 900), (300, 400)])
def test_one_crop_reduces_and_never_enlarges(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "photograph.jpg"
    Image.fromarray(rng().integers(0, 256, (*size, 3), np.uint8)).save(path)
    for seed in range(5):
        crop = framing.one_crop(path, rng(seed))
        assert crop.dtype == np.uint8
        assert min(crop.shape[:2]) >= min(*size, framing.SIDE_PX[0]) * 2 // 3
        assert min(crop.shape[:2]) <= min(*size, framing.SIDE_PX[1])
        assert max(crop.shape[:2]) <= max(size)
        assert np.array_equal(crop, framing.one_crop(path, rng(seed)))


def test_the_last_file_is_one_for_all_and_tells_nothing(photograph: Picture) -> None:
    kinds = set()
    for seed in range(12):
        data = framing.encoded(photograph, rng(seed))
        kinds.add(data[:4])
        assert b"Exif" not in data
        decoded = framing.finished(photograph, rng(seed)).astype(int)
        assert np.abs(decoded - photograph).mean() < 4
    assert len(kinds) == 2
