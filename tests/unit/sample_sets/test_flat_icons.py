"""The style of flat-icons: the rule that makes it, and that the committed pictures keep to it."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import imagehash
import numpy as np
import pytest
from PIL import Image

from sample_sets import flat_icons
from sample_sets.flat_icons import AMBER, CORAL, CREAM, INK, TEAL, TURQUOISE, long_shadow, tone
from sample_sets.picture_set import slug
from sample_sets.subjects import FLAT_ICONS
from sample_sets.twemoji import RGB, recoloured
from studio.errors import DatasetError

FOLDER = Path(__file__).parents[3] / "datasets" / "flat-icons"
PALETTE = np.array(
    [INK, CREAM, AMBER, CORAL, TURQUOISE, TEAL, flat_icons.BACKGROUND, flat_icons.SHADOW]
)


@pytest.fixture(scope="module")
def icons() -> dict[str, Image.Image]:
    return {path.stem: Image.open(path).convert("RGB") for path in sorted(FOLDER.glob("*.png"))}


@pytest.mark.parametrize(
    ("colour", "expected"),
    [
        ((221, 46, 68), CORAL),  # the red of apples
        ((255, 204, 77), AMBER),  # the yellow of faces
        ((119, 178, 85), TURQUOISE),  # the green of leaves
        ((34, 102, 153), TEAL),  # deep blue
        ((255, 255, 255), CREAM),
        ((41, 47, 51), INK),
        ((102, 117, 127), TEAL),  # dark grey is cold
    ],
)
def test_tone_goes_by_hue_and_brightness(colour: RGB, expected: RGB) -> None:
    assert tone(colour) == expected


def test_recoloured_maps_short_long_and_missing_fills() -> None:
    svg = '<svg viewBox="0 0 9 9"><path d="M0 0"/><path fill="#FFF"/><path fill="#DD2E44"/></svg>'
    changed = recoloured(svg, tone)
    assert changed.count("#190a24") == 1  # SVG's black, on the root, for the path without a fill
    assert 'fill="#fff0dd"' in changed
    assert 'fill="#f2607a"' in changed


def test_recoloured_refuses_what_is_not_flat() -> None:
    with pytest.raises(DatasetError, match="opaque fills"):
        recoloured('<svg><path fill="#FFF" opacity=".5"/></svg>', tone)


def test_long_shadow_runs_to_the_corner() -> None:
    shape = Image.new("L", (16, 16))
    shape.putpixel((5, 4), 255)
    shadow = np.asarray(long_shadow(shape)) > 0
    assert sorted(zip(*np.nonzero(shadow), strict=True)) == [(4 + i, 5 + i) for i in range(11)]


def test_captions_are_the_plain_names() -> None:
    assert len(FLAT_ICONS) >= 72
    committed = {path.stem: path.read_text("utf-8").strip() for path in FOLDER.glob("*.txt")}
    assert committed == {slug(name): name for name in FLAT_ICONS}


def test_one_background_everywhere(icons: dict[str, Image.Image]) -> None:
    for name, icon in icons.items():
        corners = {icon.getpixel((x, y)) for x, y in ((0, 0), (127, 0), (0, 127), (2, 2))}
        assert corners == {flat_icons.BACKGROUND}, name


def test_nearly_all_pixels_are_of_the_palette(icons: dict[str, Image.Image]) -> None:
    for name, icon in icons.items():
        pixels = np.asarray(icon).reshape(-1, 1, 3).astype(int)
        on_palette = (pixels == PALETTE).all(axis=2).any(axis=1).mean()
        assert on_palette > 0.8, name  # the rest is the smoothing of edges


def test_every_icon_fills_its_share(icons: dict[str, Image.Image]) -> None:
    for name, icon in icons.items():
        pixels = np.asarray(icon)
        ground = (pixels == flat_icons.BACKGROUND).all(axis=2) | (pixels == flat_icons.SHADOW).all(
            axis=2
        )
        assert 0.1 < 1 - ground.mean() < 0.7, name


def test_no_two_icons_look_alike(icons: dict[str, Image.Image]) -> None:
    hashes = {name: imagehash.phash(icon) for name, icon in icons.items()}
    close = [(a, b) for a, b in combinations(hashes, 2) if hashes[a] - hashes[b] <= 6]
    assert close == []
