from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter
from scipy.stats import wasserstein_distance

from studio.evaluation.style import (
    block_distances,
    compare_styles,
    style_distance,
    wasserstein,
)
from studio.evaluation.style_features import BLOCKS, NUM_FEATURES, style_features

Draw = Callable[[str, int, int], list[Image.Image]]
STYLES = ("flat", "outlined", "noisy")
COUNT = 20


@pytest.fixture(scope="module")
def features(draw: Draw) -> dict[tuple[str, str], np.ndarray]:
    """Features by (style, content): both contents in every style, no picture twice."""
    return {
        (style, content): style_features(draw(style, first, COUNT), 64)
        for style in STYLES
        for content, first in (("one", 0), ("other", 1000))
    }


def test_blocks_cover_every_feature_once() -> None:
    columns = np.concatenate([np.arange(NUM_FEATURES)[block] for block in BLOCKS.values()])
    assert columns.tolist() == list(range(NUM_FEATURES))


def test_features_are_finite_and_of_the_order_of_one(draw: Draw) -> None:
    pictures = [Image.new("RGB", (64, 64), colour) for colour in ("black", "white", "red")]
    found = style_features([*pictures, *draw("noisy", 0, 2)], 64)
    assert found.shape == (5, NUM_FEATURES)
    assert np.isfinite(found).all()
    assert np.abs(found).max() < 2.0


def test_features_do_not_see_which_way_things_point(draw: Draw) -> None:
    pictures = draw("outlined", 0, 4)
    turned = [p.transpose(Image.Transpose.ROTATE_90) for p in pictures]
    mirrored = [p.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for p in pictures]
    plain = style_features(pictures, 64)
    # Not to the last digit: the reduction to 64 px rounds rows before columns.
    np.testing.assert_allclose(style_features(turned, 64), plain, atol=0.01)
    np.testing.assert_allclose(style_features(mirrored, 64), plain, atol=0.01)


def test_equal_sets_are_at_no_distance_in_any_order(
    features: dict[tuple[str, str], np.ndarray],
) -> None:
    pictures = features["flat", "one"]
    assert style_distance(pictures, pictures[::-1]) == pytest.approx(0.0, abs=1e-12)
    doubled = np.concatenate([pictures, pictures])
    assert style_distance(doubled, pictures) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("style", STYLES)
def test_the_same_style_with_other_content_is_much_nearer_than_another_style(
    features: dict[tuple[str, str], np.ndarray], style: str
) -> None:
    reference = features[style, "other"]
    near = style_distance(features[style, "one"], reference)
    far = [style_distance(features[s, "other"], reference) for s in STYLES if s != style]
    assert near < 0.35 * min(far)


def test_the_distance_is_steady_from_sixteen_pictures_on(draw: Draw) -> None:
    reference = style_features(draw("flat", 1000, 16), 64)
    pictures = style_features(draw("outlined", 0, 64), 64)
    distances = [style_distance(pictures[i : i + 16], reference) for i in range(0, 64, 16)]
    whole = style_distance(pictures, reference)
    assert max(abs(d - whole) for d in distances) < 0.15 * whole


def test_an_autoencoders_blur_is_a_small_matter(draw: Draw) -> None:
    pictures, others = draw("flat", 0, 16), draw("flat", 1000, 16)
    blurred = [p.filter(ImageFilter.GaussianBlur(0.8)) for p in pictures]
    reference = style_features(others, 64)
    far = style_distance(style_features(draw("outlined", 0, 16), 64), reference)
    assert style_distance(style_features(blurred, 64), reference) < 0.4 * far


def test_half_of_the_pictures_moved_is_half_of_the_way(
    features: dict[tuple[str, str], np.ndarray],
) -> None:
    base = features["noisy", "one"]
    half = np.where(np.arange(COUNT)[:, None] % 2 == 0, features["flat", "one"], base)
    held_out = features["flat", "other"]
    prompt_of = [i // 2 for i in range(COUNT)]
    result = compare_styles(base, half, held_out, features["flat", "one"], prompt_of)
    assert result.relative_fall == pytest.approx(0.5, abs=0.05)
    assert result.interval[0] <= result.relative_fall <= result.interval[1]
    assert result.training < result.adapter < result.base
    assert result.blocks.keys() == BLOCKS.keys()
    assert all(adapter < base for base, adapter in result.blocks.values())


def test_no_change_is_no_fall_and_the_way_back_is_negative(
    features: dict[tuple[str, str], np.ndarray],
) -> None:
    outlined, noisy, flat = (features[s, "one"] for s in ("outlined", "noisy", "flat"))
    prompt_of = range(COUNT)
    same = compare_styles(outlined, outlined, flat, flat, prompt_of)
    assert (same.relative_fall, same.interval) == (0.0, (0.0, 0.0))
    away = compare_styles(outlined, noisy, flat, flat, prompt_of)
    assert away.interval[1] < 0


def test_a_feature_that_never_varies_does_not_rule_the_distance() -> None:
    reference = np.zeros((8, NUM_FEATURES))
    shifted = reference + 0.05
    assert block_distances(shifted, reference) == pytest.approx(dict.fromkeys(BLOCKS, 1.0))


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_the_distance_of_distributions_is_scipys(n: int, m: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(n, 3)), rng.normal(size=(m, 3)).round(1)
    expected = [wasserstein_distance(a, b) for a, b in zip(first.T, second.T, strict=True)]
    np.testing.assert_allclose(wasserstein(first, second), expected, atol=1e-12)
