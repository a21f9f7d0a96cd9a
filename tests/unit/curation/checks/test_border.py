from __future__ import annotations

import pytest
from PIL import Image, ImageDraw, ImageOps

from studio.curation.checks.border import Border

CHECK = Border(0.02)


@pytest.mark.parametrize(
    ("bars", "sides"),
    [
        ((0, 20), ["top", "bottom"]),
        ((24, 0), ["left", "right"]),
        ((12, 12), ["left", "top", "right", "bottom"]),
        ((30, 0, 0, 0), ["left"]),
    ],
)
@pytest.mark.parametrize("colour", ["black", "white"])
def test_bars_and_frames(photograph, look, bars, sides, colour):
    image = ImageOps.expand(photograph(4), bars, colour)
    found = CHECK.examine(look(image, CHECK))
    assert found is not None
    assert (found.severity, found.evidence["sides"]) == ("warn", sides)
    inside = 288 * 256 / (image.width * image.height)
    assert found.score == pytest.approx(1 - inside, abs=0.03)


def test_what_stands_on_a_plain_ground_has_no_border(look, icon, photograph):
    product = Image.new("RGB", (256, 256), "white")
    mask = Image.new("L", (256, 256))
    ImageDraw.Draw(mask).ellipse((40, 60, 220, 200), 255)
    product.paste(photograph(5, (256, 256)), mask=mask)
    for image in (icon, product, photograph(6), Image.new("RGB", (64, 64), "red")):
        assert CHECK.score(look(image, CHECK)) == 0
        assert CHECK.examine(look(image, CHECK)) is None


def test_a_hairline_is_let_pass(photograph, look):
    assert CHECK.examine(look(ImageOps.expand(photograph(4), 1, "black"), CHECK)) is None
