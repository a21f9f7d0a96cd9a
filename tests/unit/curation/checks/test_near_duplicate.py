from __future__ import annotations

import time

import numpy as np
import pytest
from PIL import ImageOps

from studio.curation.checks.candidates import likely_copies
from studio.curation.checks.near_duplicate import NearDuplicate
from studio.curation.checks.sketch import HASHES, Sketch

CHECK = NearDuplicate(6)


@pytest.mark.parametrize(
    "box",
    [
        (0, 0, 230, 205),
        (40, 36, 288, 256),
        (29, 26, 259, 230),
        (16, 0, 272, 256),
        (60, 0, 288, 220),
    ],
    ids=["top left", "bottom right", "centre", "square", "right"],
)
@pytest.mark.parametrize("seed", [20, 21, 22])
def test_crops_are_found(photograph, look, box, seed):
    image = photograph(seed)
    views = [look(image, CHECK, name="whole"), look(image.crop(box), CHECK, name="part")]
    found = CHECK.examine(views).of_pictures["part"]
    assert (found.severity, found.evidence["twin"]) == ("block", "whole")
    assert found.score > 0.85


@pytest.mark.parametrize("left", [0, 64, 110, 128])
@pytest.mark.parametrize("seed", [20, 21])
def test_a_wide_photograph_made_square_is_found(photograph, look, left, seed):
    wide = photograph(seed).resize((384, 256))
    square = wide.crop((left, 0, left + 256, 256))
    views = [look(wide, CHECK, name="whole"), look(square, CHECK, name="part")]
    assert CHECK.examine(views).of_pictures["part"].evidence["twin"] == "whole"


def test_an_enlarged_crop_stays_and_names_the_whole(photograph, look):
    image = photograph(20)
    large = image.crop((20, 16, 270, 240)).resize((500, 448))
    views = [look(image, CHECK, name="whole"), look(large, CHECK, name="part")]
    found = CHECK.examine(views).of_pictures["whole"]
    assert (found.evidence["twin"], found.evidence["way"]) == ("part", "wider")
    left, top, width, height = (int(v) for v in str(found.evidence["crop"]).split(","))
    assert (left, top, width, height) == pytest.approx((20, 16, 250, 224), abs=9)


def test_a_framed_copy_is_a_copy(photograph, look):
    framed = ImageOps.expand(photograph(23), 20, "white")
    views = [look(photograph(23), CHECK, name="plain"), look(framed, CHECK, name="framed")]
    assert list(CHECK.examine(views).of_pictures) == ["plain"]


def test_different_photographs_are_not_copies(photograph, look):
    views = [look(photograph(seed), CHECK, name=str(seed)) for seed in range(12)]
    assert CHECK.examine(views).of_pictures == {}


def test_a_detail_is_no_copy(photograph, look):
    """A face out of a group may well be wanted beside it."""
    image = photograph(20)
    detail = image.crop((80, 70, 200, 180))
    views = [look(image, CHECK, name="whole"), look(detail, CHECK, name="detail")]
    assert CHECK.examine(views).of_pictures == {}


def test_candidates_of_thousands_are_a_matter_of_seconds():
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, (1000, HASHES, 2), np.uint64)
    hashes[700] = hashes[7]
    blank = np.zeros((1, 1), np.uint8)
    sketches = [Sketch(blank, blank, h) for h in hashes]
    start = time.process_time()
    assert likely_copies(sketches, 6) == {700: [7]}
    assert time.process_time() - start < 10
