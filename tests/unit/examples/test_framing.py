from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from studio.curation.settings import DatasetSettings
from studio.examples.buckets import Bucket
from studio.examples.example import Example
from studio.examples.framing import Framing, crops, overhang_px
from studio.training.randomness import RandomStreams

STREAMS = RandomStreams(2)
RANDOM = DatasetSettings(source="p", crop="random", crops_per_image=4)


def example(width_px: int, height_px: int, digest: str = "d") -> Example:
    return Example(Path("x.png"), digest, width_px, height_px, "caption")


def test_time_ids_by_hand() -> None:
    # 3000 x 1000 covers 1024 x 1024 at scale 1.024: 3072 x 1024, so 2048 px stand over across.
    square = Bucket(1024, 1024)
    assert Framing().time_ids(3000, 1000, square) == (1000, 3000, 0, 1024, 1024, 1024)
    assert Framing(across=0.0).time_ids(3000, 1000, square) == (1000, 3000, 0, 0, 1024, 1024)
    assert Framing(across=0.25).time_ids(3000, 1000, square) == (1000, 3000, 0, 512, 1024, 1024)
    mirrored = Framing(across=0.25, flipped=True)
    assert mirrored.time_ids(3000, 1000, square) == (1000, 3000, 0, 1536, 1024, 1024)
    # 500 x 900 covers 512 x 768 at 1.024: 512 x 921.6, so 153.6 px stand over downwards.
    tall = Bucket(512, 768)
    assert Framing(down=0.75).time_ids(500, 900, tall) == (900, 500, 115, 0, 768, 512)


def test_the_crop_is_where_the_time_ids_say() -> None:
    """Columns that carry their own number: the first that is left is the one the time ids name."""
    columns = np.tile(np.arange(200, dtype=np.uint8), (64, 1))
    image, bucket = Image.fromarray(columns), Bucket(64, 64)
    for framing in (Framing(), Framing(across=0.3), Framing(across=0.3, flipped=True)):
        shown = np.asarray(framing.applied(image, bucket, Image.Resampling.BOX)).astype(int)
        whole = columns[:, ::-1] if framing.flipped else columns
        left = framing.time_ids(200, 64, bucket)[3]
        assert np.abs(shown[0] - whole[0, left : left + 64]).max() <= 1


@given(st.integers(16, 2000), st.integers(16, 2000))
def test_nothing_is_stretched_or_missing(width_px: int, height_px: int) -> None:
    across, down = overhang_px(width_px, height_px, Bucket(64, 64))
    assert min(across, down) < 1e-6, "one side fits exactly"
    assert min(across, down) > -1e-6, "the picture covers its bucket"


def test_a_centred_crop_is_one_and_asks_no_chance() -> None:
    centre = DatasetSettings(source="p", crops_per_image=9)
    assert crops(example(300, 100), Bucket(64, 64), centre, STREAMS) == [Framing()]


def test_a_picture_of_its_buckets_shape_has_one_crop() -> None:
    assert crops(example(640, 640), Bucket(64, 64), RANDOM, STREAMS) == [Framing()]


@given(st.text("0123456789abcdef", min_size=1, max_size=8), st.booleans())
def test_crops_spread_over_what_stands_over(digest: str, wide: bool) -> None:
    size = (300, 100) if wide else (100, 300)
    framings = crops(example(*size, digest), Bucket(64, 64), RANDOM, STREAMS)
    shares = [framing.across if wide else framing.down for framing in framings]
    assert [int(share * 4) for share in shares] == [0, 1, 2, 3]
    assert {framing.down if wide else framing.across for framing in framings} == {0.5}


def test_crops_follow_picture_and_seed_and_nothing_else() -> None:
    bucket = Bucket(64, 64)
    first = crops(example(300, 100), bucket, RANDOM, STREAMS)
    assert crops(example(300, 100), bucket, RANDOM, RandomStreams(2)) == first
    assert crops(example(300, 100, "e"), bucket, RANDOM, STREAMS) != first
    assert crops(example(300, 100), bucket, RANDOM, RandomStreams(3)) != first


def test_no_more_crops_than_there_are_pixels_to_move_by() -> None:
    # 130 x 128 in 64 x 64: one pixel stands over.
    assert len(crops(example(130, 128), Bucket(64, 64), RANDOM, STREAMS)) == 2
