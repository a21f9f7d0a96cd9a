"""The sample sets as they lie in the repository."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from sample_sets.card import CARD_NAME, Card, digest_of_folder

DATASETS = Path(__file__).parents[3] / "datasets"
NAMES = ("flat-icons", "mascot", "mixed-material")
PICTURES = (".png", ".jpg")


def pictures(name: str) -> list[Path]:
    return sorted(p for p in (DATASETS / name).iterdir() if p.suffix in PICTURES)


def test_every_folder_is_a_known_set() -> None:
    assert sorted(p.name for p in DATASETS.iterdir() if p.is_dir()) == sorted(NAMES)


def test_no_python_in_datasets() -> None:
    assert [p for p in DATASETS.rglob("*") if p.suffix in (".py", ".pyc", ".pyi")] == []


@pytest.mark.parametrize("name", NAMES)
class TestSet:
    def test_card_describes_the_folder(self, name: str) -> None:
        card = Card.read(DATASETS / name)
        assert card.name == name
        assert card.pictures == len(pictures(name))
        assert card.digest == digest_of_folder(DATASETS / name)

    def test_licence_and_source_are_named(self, name: str) -> None:
        card = Card.read(DATASETS / name)
        assert card.licence in ("CC-BY-4.0", "CC0-1.0")
        assert card.source.credit
        if card.licence == "CC-BY-4.0":
            notice = (DATASETS / name / "LICENSE").read_text("utf-8")
            assert card.source.credit in notice
            assert card.source.changes is not None
            assert card.source.changes in notice
            assert "Creative Commons Attribution 4.0 International Public License" in notice

    def test_every_picture_has_a_caption_and_the_other_way_round(self, name: str) -> None:
        captions = {p.stem: p.read_text("utf-8") for p in (DATASETS / name).glob("*.txt")}
        assert sorted(captions) == sorted(p.stem for p in pictures(name))
        for text in captions.values():
            assert text == text.lower().strip() + "\n"
            assert len(text) > 2

    def test_pictures_are_rgb_of_the_stated_size(self, name: str) -> None:
        card = Card.read(DATASETS / name)
        tiny = card.expected.too_small if card.expected else ()
        for path in pictures(name):
            with Image.open(path) as picture:
                assert picture.mode == "RGB", path.name
                if path.name not in tiny:
                    assert picture.size == (card.resolution, card.resolution), path.name

    def test_small_enough_for_a_repository(self, name: str) -> None:
        sizes = {p.name: p.stat().st_size for p in (DATASETS / name).iterdir()}
        assert max(sizes.values()) < 50_000
        assert sum(sizes.values()) < 1_000_000

    def test_nothing_else_lies_there(self, name: str) -> None:
        others = {p.name for p in (DATASETS / name).iterdir()} - {
            f"{p.stem}{suffix}" for p in pictures(name) for suffix in (p.suffix, ".txt")
        }
        assert others <= {CARD_NAME, "LICENSE"}
