from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studio.curation import curate
from studio.curation.checks.neighbours import neighbours_of
from studio.curation.embedder import Embedder
from studio.curation.manifest import CuratedSet, Finding
from studio.curation.split import split
from studio.curation.view import Measurement
from studio.embedding.recognition import embedder_for
from studio.errors import DatasetError

ROOT = Path(__file__).resolve().parents[4]
RESOLUTION_PX = 64


class Colours:
    """A model that knows pictures by their mean colour, and remembers how many it was shown."""

    def __init__(self, name: str = "colours") -> None:
        self.name = name
        self.digest = hashlib.sha256(name.encode()).hexdigest()
        self.shown = 0

    def embed(self, pictures: Sequence[Image.Image]) -> Measurement:
        self.shown += len(pictures)
        means = np.stack([np.asarray(p, np.float32).mean(axis=(0, 1)) for p in pictures])
        return np.asarray(means / np.linalg.norm(means, axis=1, keepdims=True), np.float32)


def content_of(curated: CuratedSet) -> dict[str, Finding]:
    return {p.name: f for p in curated.pictures for f in p.findings if f.check == "content"}


def looked_at(folder: Path, embedder: Embedder | None, **limits: object) -> CuratedSet:
    return curate(folder, RESOLUTION_PX, embedder=embedder, **limits)


@pytest.fixture
def reds(tmp_path: Path) -> Path:
    """Ten pictures of nearly one colour, and a blue one."""
    folder = tmp_path / "reds"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(11):
        colour = (20, 30, 200) if index == 4 else (200, 20 + 8 * index, 30)
        pixels = rng.normal(colour, 20, (80, 80, 3)).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{index:02}.png")
    return folder


def test_a_stranger_is_remarked_on_and_stays(reds):
    curated = looked_at(reds, Colours(), content_similarity=1)
    found = content_of(curated)
    assert set(found) == {"04.png"}
    assert found["04.png"].severity == "info"
    assert "by colours" in found["04.png"].message
    assert "04.png" in {p.name for p in curated.kept}
    assert all("content" in p.scores for p in curated.kept)


def test_the_limits_are_the_recipes(reds):
    assert not content_of(looked_at(reds, Colours(), content_similarity=1, content_deviations=1000))


def test_the_same_again_is_remarked_on_once_and_stays_on_one_side_of_the_split(reds):
    curated = looked_at(reds, Colours(), content_similarity=0.999)
    twins = {n: f.evidence["twin"] for n, f in content_of(curated).items() if "twin" in f.evidence}
    assert twins
    assert all(twin < name for name, twin in twins.items())
    for seed in range(5):
        training, held_out = split(curated, 0.3, seed)
        sides = [{p.name for p in part.kept} for part in (training, held_out)]
        assert all(
            (name in side) == (twin in side) for name, twin in twins.items() for side in sides
        )


def test_a_picture_is_shown_once_and_what_was_seen_is_remembered_by_model(reds, own_cache):
    first, again, other = Colours(), Colours(), Colours("other")
    before = content_of(looked_at(reds, first))
    assert first.shown == 11
    assert content_of(looked_at(reds, again)) == before
    assert again.shown == 0
    looked_at(reds, other)
    assert other.shown == 11


def test_broken_pictures_are_not_shown(reds, own_cache):
    (reds / "05.png").write_bytes(b"no picture")
    embedder = Colours()
    assert "05.png" not in content_of(looked_at(reds, embedder))
    assert embedder.shown == 10


def test_a_picture_that_changes_meanwhile_is_refused_and_not_remembered(reds, own_cache):
    class Meddler(Colours):
        def embed(self, pictures):
            seen = super().embed(pictures)
            Image.new("RGB", (80, 80), (1, 2, 3)).save(reds / "10.png")
            return seen

    for index in range(6):  # more than one batch
        Image.new("RGB", (80, 80), (10 * index, 90, 90)).save(reds / f"00-{index}.png")
    with pytest.raises(DatasetError, match=r"10\.png was changed"):
        looked_at(reds, Meddler())
    again = Colours()
    looked_at(reds, again)
    assert again.shown == 1


@pytest.mark.parametrize("size", [(1, 4000), (4000, 1), (3, 9000)])
def test_a_strip_is_shown_by_its_middle(size, reds):
    class Measurer(Colours):
        def embed(self, pictures):
            self.sizes = [p.size for p in pictures]
            return super().embed(pictures)

    Image.new("RGB", size, (200, 60, 30)).save(reds / "strip.png")
    embedder = Measurer()
    looked_at(reds, embedder)
    assert max(max(s) / min(s) for s in embedder.sizes) == 4


def test_a_named_model_that_is_not_at_hand_is_said(reds):
    findings = looked_at(reds, None, content_model="somewhere").findings
    assert ["somewhere" in f.message for f in findings if f.check == "content"] == [True]
    assert "content" not in {f.check for f in looked_at(reds, None).findings}


def test_neighbours_are_the_same_by_blocks_and_by_hand():
    vectors = np.random.default_rng(0).normal(size=(1500, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = vectors @ vectors.T
    found = neighbours_of(vectors)
    for index in (0, 1, 1023, 1024, 1499):
        others = np.delete(np.arange(1500), index)
        order = others[np.argsort(-cosines[index, others])]
        assert found.nearest[index] == order[0]
        assert found.distances[index] == pytest.approx(
            1 - cosines[index, order[:3]].mean(), abs=1e-5
        )
        if index:
            assert found.before[index] == cosines[index, :index].argmax()


def test_pockets_tower_names_the_stranger_in_the_mascot_set(tmp_path):
    mascot, stranger = (
        ROOT / "datasets" / "mascot",
        ROOT / "datasets" / "flat-icons" / "airplane.png",
    )
    assert not content_of(looked_at(mascot, embedder_for("pocket")))
    for path in (*mascot.glob("*.png"), stranger):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert set(content_of(looked_at(tmp_path, embedder_for("pocket")))) == {"airplane.png"}
