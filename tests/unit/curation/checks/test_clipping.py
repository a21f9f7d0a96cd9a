from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from studio.curation.checks.clipping import Clipping

CHECK = Clipping(0.2)


@pytest.mark.parametrize(("colour", "word"), [("white", "highlights"), ("black", "shadows")])
def test_a_large_clipped_area_is_found(photograph, look, colour, word):
    image = photograph(7)
    ImageDraw.Draw(image).rectangle((40, 0, 230, 120), colour)
    found = CHECK.examine(look(image, CHECK))
    assert found is not None
    assert (found.severity, found.score) == ("warn", pytest.approx(191 * 121 / 288 / 256, abs=0.03))
    assert word in found.message
    left, top, width, height = (int(v) for v in str(found.evidence["crop"]).split(","))
    assert left < 135 < left + width
    assert top < 60 < top + height


def test_glints_do_not_count(photograph, look):
    levels = np.asarray(photograph(7)).copy()
    levels[np.random.default_rng(0).random(levels.shape[:2]) < 0.3] = 255
    assert CHECK.score(look(Image.fromarray(levels), CHECK)) < 0.05


def test_paper_and_backdrops_do_not_count(photograph, look, icon):
    backdrop = Image.new("RGB", (288, 256), "white")
    backdrop.paste(photograph(8, (120, 120)), (80, 70))
    for image in (backdrop, icon):
        assert CHECK.score(look(image, CHECK)) == 0
