from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.examples.buckets import (
    Bucket,
    bucket_step_px,
    choose_bucket,
    kept_share,
    make_buckets,
)


@pytest.mark.parametrize(("resolution_px", "step_px"), [(64, 8), (128, 16), (512, 64), (1024, 64)])
def test_the_step_follows_the_resolution(resolution_px: int, step_px: int) -> None:
    assert bucket_step_px(resolution_px) == step_px


def test_buckets_of_pocket_by_hand() -> None:
    sizes = [(b.width_px, b.height_px) for b in make_buckets(128, 2.0)]
    assert sizes == [
        (96, 176), (112, 144), (128, 128), (144, 112), (176, 96),
    ]  # fmt: skip


def test_no_aspect_ratio_but_one_leaves_the_square() -> None:
    assert make_buckets(512, 1.0) == [Bucket(512, 512)]


@given(st.sampled_from([64, 128, 256, 512, 768, 1024]), st.floats(1.0, 4.0))
def test_buckets_keep_the_area_and_the_longest_shape(resolution_px: int, longest: float) -> None:
    buckets = make_buckets(resolution_px, longest)
    assert Bucket(resolution_px, resolution_px) in buckets
    for bucket in buckets:
        assert 1 / longest <= bucket.aspect_ratio <= longest
        assert bucket.width_px % 8 == bucket.height_px % 8 == 0
        area = bucket.width_px * bucket.height_px
        half_a_row = max(bucket.width_px, bucket.height_px) * bucket_step_px(resolution_px) / 2
        assert abs(area - resolution_px**2) <= half_a_row


def test_what_a_bucket_keeps_by_hand() -> None:
    assert kept_share(100, 100, Bucket(128, 128)) == 1.0
    assert kept_share(200, 100, Bucket(128, 128)) == 0.5
    assert kept_share(100, 200, Bucket(128, 128)) == 0.5


@given(st.integers(16, 4000), st.integers(16, 4000))
def test_no_other_bucket_crops_less(width_px: int, height_px: int) -> None:
    buckets = make_buckets(512, 2.0)
    chosen = choose_bucket(width_px, height_px, buckets)
    assert kept_share(width_px, height_px, chosen) == max(
        kept_share(width_px, height_px, b) for b in buckets
    )
