"""Is a set of one material? Judged on the sample sets and on pictures made here."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from sample_sets.film import filmed
from studio.curation import curate
from studio.curation.checks.check import SetFindings
from studio.curation.checks.material import Material
from studio.curation.manifest import CuratedSet, Finding
from studio.curation.material.classifier import Classifier, Floats, shipped
from studio.curation.material.features import described
from studio.curation.material.judgement import judged
from studio.curation.material.properties import differences
from studio.curation.settings import CurationSettings
from studio.curation.view import Pixels, View

DATASETS = Path(__file__).resolve().parents[4] / "datasets"


@pytest.fixture(scope="module")
def mixed() -> CuratedSet:
    return curate(DATASETS / "mixed-material", 128)


def verdict(curated: CuratedSet) -> list[Finding]:
    return [f for f in curated.findings if f.check == "material"]


def dropped_as(curated: CuratedSet, check: str) -> list[str]:
    names = [p.name for p in curated.dropped for f in p.findings if f.check == check]
    return sorted(names)


def test_the_minority_of_the_mixed_set_is_named_exactly(mixed: CuratedSet) -> None:
    expected = yaml.safe_load((DATASETS / "mixed-material" / "card.yaml").read_text())["expected"]
    (finding,) = verdict(mixed)
    assert sorted(finding.evidence["minority"]) == expected["minority"]  # type: ignore[arg-type]
    assert dropped_as(mixed, "material") == expected["minority"]
    assert "film" in finding.message
    assert not set(expected["look_alikes"]) & {p.name for p in mixed.dropped}


def material(views: list[View]) -> SetFindings:
    return Material(CurationSettings().material_evidence).examine(views)


@pytest.mark.parametrize(
    ("kept", "told"),
    [
        (0, "they are left out: mixed"),
        (1, "3 of them left out, 1 kept by your word: mixed"),
        (4, "they are kept by your word: mixed"),
    ],
)
def test_strangers_that_the_user_keeps_are_not_said_to_be_left_out(kept: int, told: str) -> None:
    found = material(_with_strangers(26, 4, kept)).of_set[0]
    assert found.severity == "warn"
    assert told in found.message
    assert len(cast("list[str]", found.evidence["minority"])) == 4


def test_its_copies_its_blurred_and_its_tiny_picture_are_named_too(mixed: CuratedSet) -> None:
    assert dropped_as(mixed, "exact_duplicate") == ["telephone-2.png"]
    assert dropped_as(mixed, "near_duplicate") == ["superhero-2.jpg"]
    assert dropped_as(mixed, "too_small") == ["candle.png"]
    blurred = [p.name for p in mixed.pictures for f in p.findings if f.check == "blur"]
    assert blurred == ["anchor.png"]


@pytest.mark.parametrize("name", ["flat-icons", "mascot"])
def test_a_set_of_one_material_is_left_whole(name: str) -> None:
    curated = curate(DATASETS / name, 128)
    assert verdict(curated) == []
    assert curated.dropped == ()


def test_a_set_of_two_large_groups_is_stopped_and_not_cut_in_half(tmp_path: Path) -> None:
    for index in range(24):
        picture = _drawing(index)
        if index % 2:
            picture = filmed(picture, np.random.default_rng(index))
        picture.save(tmp_path / f"{index:02}.png")
    curated = curate(tmp_path, 128)
    (finding,) = verdict(curated)
    assert finding.severity == "block"
    assert "train them apart" in finding.message
    assert dropped_as(curated, "material") == []
    minority = finding.evidence["minority"]
    assert isinstance(minority, list)
    odd = [f"{index:02}.png" for index in range(1, 24, 2)]
    assert sorted(minority) in (odd, [f"{index:02}.png" for index in range(0, 24, 2)])


def test_a_handful_of_pictures_is_not_judged(tmp_path: Path) -> None:
    for index in range(5):
        _drawing(index).save(tmp_path / f"{index}.png")
    assert all("material" not in p.scores for p in curate(tmp_path, 128).pictures)


def test_pictures_too_small_to_tell_have_no_features() -> None:
    assert described(np.zeros((40, 300, 3), np.uint8)) is None


@pytest.mark.parametrize("level", [0, 128, 255])
def test_features_of_a_blank_picture_are_finite_numbers(level: int) -> None:
    found = described(np.full((200, 300, 3), level, np.uint8))
    assert found is not None
    assert all(np.isfinite(value) for value in found.values())
    assert tuple(found) == shipped().features


def test_large_pictures_are_judged_as_if_of_one_megapixel() -> None:
    grain = np.random.default_rng(0).normal(128, 20, (2000, 3000, 3)).clip(0, 255).astype(np.uint8)
    large, cut = described(grain), described(grain[:800, :1200])
    assert large is not None
    assert cut is not None
    # Averaged over 2.4 pixels a side, white noise falls by as much.
    assert large["noise_luma_fine"] < cut["noise_luma_fine"] - 1


def test_differences_are_told_in_words_and_only_where_they_can_be_seen() -> None:
    scores = np.tile(shipped().knots[20], (20, 1)).astype(np.float32)
    minority = np.arange(20) < 5
    assert differences(scores, minority, shipped()) == []
    grainy = [shipped().features.index(n) for n in ("noise_luma_fine", "noise_luma_middle")]
    scores[np.ix_(minority, grainy)] = shipped().knots[36, grainy]
    assert differences(scores, minority, shipped()) == ["stronger grain or noise"]


def test_the_same_set_is_judged_the_same_in_any_order() -> None:
    rng = np.random.default_rng(0)
    values = shipped().knots[rng.integers(5, 36, (30, 1)), np.arange(len(shipped().features))]
    order = rng.permutation(30)
    first, second = judged(values.astype(np.float32)), judged(values[order].astype(np.float32))
    assert first.majority == second.majority
    np.testing.assert_allclose(first.strangeness[order], second.strangeness, atol=1e-6)


class Told:
    """A classifier that is told the likelihoods, and sees all pictures in one place."""

    materials = shipped().materials
    means = np.zeros((len(materials), 1))
    covariances = np.ones((len(materials), 1, 1))

    def log_likelihoods(self, values: NDArray[np.float32]) -> Floats:
        return values.astype(np.float64)

    def positions(self, values: NDArray[np.float32]) -> Floats:
        return np.zeros((len(values), 1))


def _likelihoods(**materials: float) -> NDArray[np.float32]:
    found = np.full(len(Told.materials), -9, np.float32)
    for material, likelihood in materials.items():
        found[Told.materials.index(material)] = likelihood
    return found


def test_where_the_set_speaks_for_film_a_soft_photograph_is_no_stranger() -> None:
    digital, soft = _likelihoods(digital_clean=0), _likelihoods(digital_clean=-1.5, upscaled=-0.2)
    film = _likelihoods(digital_clean=-6, film_standard=0)
    without, with_film = (
        judged(np.stack([digital] * 30 + [soft] * 3 + few), cast("Classifier", Told()))
        for few in ([], [film] * 5)
    )
    assert with_film.strangers(7).tolist() == [False] * 33 + [True] * 5
    assert with_film.strangeness[30] < without.strangeness[30] / 10 < 0.05
    assert with_film.strangeness[33:].min() > 0.8


def test_one_picture_alone_is_no_second_material() -> None:
    digital, drawing = _likelihoods(digital_clean=0), _likelihoods(drawing=0)
    for few in (1, 2):
        found = judged(np.stack([digital] * 30 + [drawing] * few), cast("Classifier", Told()))
        assert found.evidence["drawing"] > 4
        assert found.strangers(4).sum() == (few if few > 1 else 0)


def _with_strangers(most: int, few: int, kept: int) -> list[View]:
    """Views of one material and of a few of another, of which the user keeps some."""
    shape = (160, 160)
    views = []
    for index in range(most + few):
        picture = _drawing(index)
        is_strange = index >= most
        if is_strange:
            picture = filmed(picture, np.random.default_rng(index))
        pixels = Pixels(picture, 128)
        measured = Material(7).measure(pixels)
        assert measured is not None
        views.append(
            View(
                f"{index:02}.png",
                str(index),
                *shape,
                "",
                "none",
                pinned=is_strange and index < most + kept,
                measurements={"material": measured},
            )
        )
    return views


def _drawing(seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (160, 160), tuple(int(v) for v in rng.integers(60, 220, 3)))
    draw = ImageDraw.Draw(image)
    for _ in range(6):
        left, top = (int(v) for v in rng.integers(0, 110, 2))
        box = (left, top, left + int(rng.integers(20, 50)), top + int(rng.integers(20, 50)))
        draw.ellipse(box, tuple(int(v) for v in rng.integers(0, 256, 3)))
    return image
